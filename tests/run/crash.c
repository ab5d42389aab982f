// SPDX-License-Identifier: MIT
/*
 * Fills memory with a pattern, says where it is, and dies as it is told to.
 * It is an ordinary program; dump.py runs it and looks into its core.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define LEN  ((size_t)16 << 20)

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			_exit(99);                                         \
		}                                                          \
	} while (0)

static volatile char *volatile nowhere = (char *)16;
static volatile int zero;
static sigjmp_buf out;

/* All words of a page are its number, with a mark. */
static void fill(uint64_t *p, uint64_t first)
{
	for (size_t i = 0; i < LEN / sizeof(*p); i++)
		p[i] = UINT64_C(0x5eed) << 48 | (first + i * sizeof(*p) / PAGE);
	printf("%p %zu %ju\n", (void *)p, LEN, (uintmax_t)first);
	fflush(stdout);
}

static void fill_all(void)
{
	for (size_t i = 0; i < 4; i++) {
		void *p = i % 2 ? mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) :
				  aligned_alloc(PAGE, LEN);

		CHECK(p && p != MAP_FAILED);
		fill(p, i * LEN / PAGE);
	}
}

static int recurse(int n)
{
	volatile char room[4096];

	memset((char *)room, n, sizeof(room));
	return n < 0 ? 0 : recurse(n + 1) + room[n % 4096];
}

static void *overflow(void *arg)
{
	recurse(0);
	return arg;
}

static void crash(int sig)
{
	(void)sig;
	*nowhere = 1;
}

static void escape(int sig)
{
	siglongjmp(out, sig);
}

static void nothing(int sig)
{
	(void)sig;
}

static void in_thread(void)
{
	pthread_t t;

	CHECK(!pthread_create(&t, NULL, overflow, NULL));
	pthread_join(t, NULL);
}

static void blocked(void)
{
	sigset_t all, now;

	sigfillset(&all);
	CHECK(!sigprocmask(SIG_BLOCK, &all, NULL));
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGSEGV) && sigismember(&now, SIGBUS));
	crash(0);
}

/* A handler that is good for one fault; the next one is the end. */
static void once(void)
{
	struct sigaction act = { .sa_handler = nothing,
				 .sa_flags = SA_RESETHAND };

	CHECK(!sigaction(SIGSEGV, &act, NULL));
	crash(0);
}

/* The program has handlers, takes them back, and sees no others. */
static void taken_back(void)
{
	struct sigaction was, act = { .sa_handler = escape };

	CHECK(!sigaction(SIGSEGV, NULL, &was));
	CHECK(was.sa_handler == SIG_DFL && !was.sa_flags);
	CHECK(!sigaction(SIGSEGV, &act, &was));
	CHECK(was.sa_handler == SIG_DFL);
	if (!sigsetjmp(out, 1))
		crash(0);
	CHECK(signal(SIGSEGV, SIG_DFL) == escape);
	CHECK(signal(SIGSEGV, SIG_DFL) == SIG_DFL);
	crash(0);
}

static void in_child(void)
{
	struct rlimit none = { 0, 0 };
	int status;
	pid_t pid = fork();

	if (!pid)
		crash(0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(WCOREDUMP(status));
	setrlimit(RLIMIT_CORE, &none);
	raise(SIGSEGV);
}

/* On a stack of its own for handlers, in managed memory. */
static void own_stack(void)
{
	stack_t now, ss = { .ss_size = 65536 };
	struct sigaction act = { .sa_handler = crash, .sa_flags = SA_ONSTACK };

	ss.ss_sp = malloc(ss.ss_size);
	CHECK(!sigaltstack(NULL, &now) && now.ss_flags == SS_DISABLE);
	CHECK(!sigaltstack(&ss, NULL));
	CHECK(!sigaltstack(NULL, &now) && now.ss_sp == ss.ss_sp);
	CHECK(!sigaction(SIGUSR1, &act, NULL));
	raise(SIGUSR1);
}

static void run(const char *way)
{
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "segv"))
		crash(0);
	if (!strcmp(way, "fpe"))
		_exit(123456 / zero);
	if (!strcmp(way, "trap"))
		__builtin_trap();
	if (!strcmp(way, "quit"))
		kill(getpid(), SIGQUIT);
	if (!strcmp(way, "overflow"))
		overflow(NULL);
	if (!strcmp(way, "thread"))
		in_thread();
	if (!strcmp(way, "blocked"))
		blocked();
	if (!strcmp(way, "once"))
		once();
	if (!strcmp(way, "back"))
		taken_back();
	if (!strcmp(way, "child"))
		in_child();
	if (!strcmp(way, "stack"))
		own_stack();
}

int main(int argc, char **argv)
{
	struct rlimit stack = { 1 << 20, 1 << 20 };

	CHECK(argc == 2);
	setrlimit(RLIMIT_STACK, &stack);
	fill_all();
	run(argv[1]);
	pause();
	return 98;
}
