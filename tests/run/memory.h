/* SPDX-License-Identifier: MIT */
/*
 * memory.h - for ordinary programs that do with their memory what programs do.
 * memory.sh runs them by themselves, and under "uhmm run" with a limit far
 * below what they hold.  Each page's words say what belongs there, and push()
 * drives what was not used of late out of RAM.
 *
 * In inline mode a system call may fail that is given memory which is away, so
 * none is, but for those that the program is about.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define MIB  ((size_t)1 << 20)

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "%s:%d: %s, errno %d\n", __FILE__, \
				__LINE__, #cond, errno);                   \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static inline uint64_t word_of(uint64_t seed, size_t i)
{
	return (seed << 48 | i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

/* The pattern of bytes [@from, @to), the first of which is @at. */
static inline void fill_at(void *at, uint64_t seed, size_t from, size_t to)
{
	uint64_t *w = at;

	for (size_t i = from / 8; i < to / 8; i++)
		*w++ = word_of(seed, i);
}

static inline void fill(void *p, size_t len, uint64_t seed)
{
	fill_at(p, seed, 0, len);
}

#define verify_at(at, seed, from, to) verify_(at, seed, from, to, __LINE__)
#define verify(p, len, seed)	      verify_(p, seed, 0, len, __LINE__)
#define verify_zero(p, len)	      verify_zero_(p, len, __LINE__)

static inline void verify_(const void *at, uint64_t seed, size_t from,
			   size_t to, int line)
{
	const uint64_t *w = at;

	for (size_t i = from / 8; i < to / 8; i++, w++) {
		if (*w == word_of(seed, i))
			continue;
		fprintf(stderr, "line %d: byte %zu at %p is %#jx\n", line,
			i * 8, (const void *)w, (uintmax_t)*w);
		_exit(1);
	}
}

static inline void verify_zero_(const void *p, size_t len, int line)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < len / 8; i++) {
		if (!w[i])
			continue;
		fprintf(stderr, "line %d: byte %zu at %p is %#jx, not 0\n",
			line, i * 8, (const void *)(w + i), (uintmax_t)w[i]);
		_exit(1);
	}
}

static inline void *map_at(void *at, size_t len, int prot, int flags)
{
	void *p =
		mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(!at || p == at);
	return p;
}

static inline void *map(size_t len)
{
	return map_at(NULL, len, PROT_READ | PROT_WRITE, 0);
}

/* Addresses where nothing is. */
static inline char *room(size_t len)
{
	char *p = map_at(NULL, len, PROT_NONE, MAP_NORESERVE);

	CHECK(!munmap(p, len));
	return p;
}

/* Send all other memory to a device, if the limit is below 8 MiB. */
static inline void push(void)
{
	static char *ballast;
	static uint64_t seed;

	if (!ballast)
		ballast = map(8 * MIB);
	fill(ballast, 8 * MIB, ++seed);
	verify(ballast, 8 * MIB, seed);
}

/* Filled, and away. */
static inline void *away(size_t len, uint64_t seed)
{
	void *p = map(len);

	fill(p, len, seed);
	push();
	return p;
}

/* ---- Touches that end in a signal ---- */

static sigjmp_buf memory_out;

static inline void memory_escape(int sig)
{
	siglongjmp(memory_out, sig);
}

/* Which signal a touch of @p raises; 0: none. */
static inline int touch(volatile char *p, bool write)
{
	struct sigaction act = { .sa_handler = memory_escape }, segv, bus;
	int sig;

	CHECK(!sigaction(SIGSEGV, &act, &segv));
	CHECK(!sigaction(SIGBUS, &act, &bus));
	sig = sigsetjmp(memory_out, 1);
	if (!sig) {
		char c = *p;

		if (write)
			*p = c;
	}
	CHECK(!sigaction(SIGSEGV, &segv, NULL));
	CHECK(!sigaction(SIGBUS, &bus, NULL));
	return sig;
}

/* The exit status of a child that does @fn. */
static inline int in_child(void (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/* ---- The parts of a program ---- */

struct part {
	const char *name;
	void (*fn)(void);
};

/* All, or those that are named. */
static inline int run_parts(const struct part *parts, size_t nr, int argc,
			    char **argv)
{
	alarm(110);
	for (size_t i = 0; i < nr; i++) {
		bool wanted = argc < 2;

		for (int k = 1; k < argc; k++)
			wanted = wanted || !strcmp(argv[k], parts[i].name);
		if (wanted && getenv("MEMORY_VERBOSE"))
			fprintf(stderr, "%s\n", parts[i].name);
		if (wanted)
			parts[i].fn();
	}
	return 0;
}

#define RUN_PARTS(parts, argc, argv) \
	run_parts(parts, sizeof(parts) / sizeof(*(parts)), argc, argv)

#endif
