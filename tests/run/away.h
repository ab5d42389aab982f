/* SPDX-License-Identifier: MIT */
/*
 * away.h - memory that is away, for programs under "uhmm run --resident 4M".
 *
 * The program touches much other memory until what it wants away has gone.
 * Whether it has, the kernel says, where it does not serve the fault: to a
 * system call that no library sees.
 */
#ifndef UHMM_TEST_AWAY_H
#define UHMM_TEST_AWAY_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../test.h"

#define PAGE	   ((size_t)4096)
#define SWEEP	   ((size_t)12 << 20)
#define MAX_SWEEPS 100

/* Are kernel faults served, so that nothing can be seen to be away? */
static bool all_served;

/* access(2), past libc. */
static inline long raw_access(const char *path)
{
#if defined(__x86_64__)
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"((long)SYS_access), "D"(path), "S"(0L)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long nr __asm__("x8") = SYS_faccessat;
	register long a0 __asm__("x0") = -100;
	register const char *a1 __asm__("x1") = path;
	register long a2 __asm__("x2") = 0;

	__asm__ volatile("svc 0"
			 : "+r"(a0)
			 : "r"(nr), "r"(a1), "r"(a2)
			 : "memory");
	return a0;
#else
	printf("skipped: no system call is known here\n");
	exit(TEST_SKIPPED);
#endif
}

static inline bool is_away(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE)
		if (raw_access(p + i) != -EFAULT)
			return false;
	return true;
}

/* All of SWEEP is written, so that others have to go. */
static inline void sweep(void)
{
	static uint64_t *p;
	static uint64_t n;

	if (!p)
		p = mmap(NULL, SWEEP, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	n++;
	for (size_t i = 0; i < SWEEP / 8; i += PAGE / 8)
		p[i] = n + i;
}

static inline void send_away(const void *p, size_t len)
{
	if (all_served) {
		sweep();
		return;
	}
	for (int i = 0; i < MAX_SWEEPS; i++) {
		sweep();
		if (is_away(p, len))
			return;
	}
	CHECK(!"the memory stayed");
}

static inline char pattern(uint64_t seed, size_t i)
{
	return (char)((seed + 1) * 31 + i * 7 + i / 4096);
}

static inline void fill(void *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		((char *)p)[i] = pattern(seed, i);
}

static inline bool is_filled(const void *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (((const char *)p)[i] != pattern(seed, i))
			return false;
	return true;
}

static inline size_t whole_pages(size_t len)
{
	return (len + PAGE - 1) & ~(PAGE - 1);
}

/* Whole pages of the heap. */
static inline void *heap(size_t len)
{
	void *p = aligned_alloc(PAGE, whole_pages(len));

	CHECK(p);
	return p;
}

/* A copy of @len bytes that is away. */
static inline void *away(const void *from, size_t len)
{
	char *p = heap(len);

	memset(p, 0, whole_pages(len));
	memcpy(p, from, len);
	send_away(p, whole_pages(len));
	return p;
}

/* Like away(), with the pattern of @seed. */
static inline char *away_filled(size_t len, uint64_t seed)
{
	char *p = heap(len);

	fill(p, whole_pages(len), seed);
	send_away(p, whole_pages(len));
	return p;
}

static inline char *away_string(const char *s)
{
	return away(s, strlen(s) + 1);
}

/* Memory that is away if @touched, else memory that nobody has touched. */
static inline void *room(size_t len, bool touched)
{
	void *p;

	if (touched)
		return away_filled(len, 99);
	p = mmap(NULL, (size_t)4 << 20, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK(all_served || raw_access(p) == -EFAULT);
	return p;
}

/* Begin; the program has more than its limit from here on. */
static inline void begin(int argc, char **argv)
{
	char *p = mmap(NULL, (size_t)4 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argv;
	sweep();
	alarm(100);
	all_served = raw_access(p) != -EFAULT;
	CHECK_EQ(all_served, argc > 1);
}

#endif
