// SPDX-License-Identifier: MIT
/*
 * Programs that live by SIGSEGV and SIGBUS: write barriers, as collectors of
 * garbage have them, handlers on stacks of their own, jumps out of handlers,
 * SIGBUS of a file that ends; on memory that is away.  What they ask about
 * signals is what they have set.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <ucontext.h>

#include "memory.h"

#define LEN (4 * MIB)

static char *heap;
static volatile size_t nr_faults;
static char *stack;
static size_t stack_size = 64 * PAGE;
static volatile bool was_on_stack;

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = { .sa_sigaction = fn,
				 .sa_flags = SA_SIGINFO | flags };

	sigfillset(&act.sa_mask);
	CHECK(!sigaction(sig, &act, NULL));
}

static void reset(int sig)
{
	CHECK(signal(sig, SIG_DFL) != SIG_ERR);
}

static void use_stack(bool on)
{
	stack_t ss = { .ss_sp = stack, .ss_size = stack_size, .ss_flags = 0 };

	if (!on)
		ss.ss_flags = SS_DISABLE;
	CHECK(!sigaltstack(&ss, NULL));
}

/* ---- Write barriers ----------------------------------------------------- */

static void on_write(int sig, siginfo_t *info, void *context)
{
	char *at = info->si_addr;
	char here;

	(void)sig;
	(void)context;
	if (at < heap || at >= heap + LEN)
		_exit(2);
	was_on_stack = &here >= stack && &here < stack + stack_size;
	nr_faults++;
	at -= (uintptr_t)at % PAGE;
	if (mprotect(at, PAGE, PROT_READ | PROT_WRITE))
		_exit(3);
}

static void barrier(int flags)
{
	heap = away(LEN, 1);
	install(SIGSEGV, on_write, flags);
	for (int round = 0; round < 3; round++) {
		size_t n = nr_faults;

		CHECK(!mprotect(heap, LEN, PROT_READ));
		push();
		for (size_t i = 0; i < LEN; i += 4 * PAGE)
			*(volatile char *)(heap + i) = heap[i];
		CHECK(nr_faults == n + LEN / PAGE / 4);
		verify(heap, LEN, 1);
	}
	reset(SIGSEGV);
	CHECK(!munmap(heap, LEN));
}

static void write_barrier(void)
{
	barrier(0);
	CHECK(!was_on_stack);
}

static void write_barrier_on_stack(void)
{
	stack = map(LEN);
	use_stack(true);
	barrier(SA_ONSTACK);
	CHECK(was_on_stack);
	use_stack(false);
	barrier(0);
	CHECK(!was_on_stack);
}

/* Faults of others need more than it has; what lies below it is not theirs. */
static void small_stack(void)
{
	char *below = map(LEN), *p = away(8 * LEN, 7);
	stack_t now;

	fill(below, MIB, 6);
	stack = below + MIB;
	stack_size = 4 * PAGE;
	use_stack(true);
	for (int i = 0; i < 4; i++) {
		verify(p, 8 * LEN, 7);
		verify(below, MIB, 6);
		CHECK(!sigaltstack(NULL, &now));
		CHECK(now.ss_sp == stack && now.ss_size == stack_size);
		CHECK(now.ss_flags == 0);
	}
	barrier(SA_ONSTACK);
	use_stack(false);
	CHECK(!sigaltstack(NULL, &now) && now.ss_flags == SS_DISABLE);
	stack_size = 64 * PAGE;
	CHECK(!munmap(below, LEN) && !munmap(p, 8 * LEN));
}

/* As with PROT_NONE, for what is read. */
static void read_barrier(void)
{
	heap = away(LEN, 2);
	install(SIGSEGV, on_write, 0);
	CHECK(!mprotect(heap, LEN, PROT_NONE));
	push();
	verify(heap, LEN, 2);
	reset(SIGSEGV);
	CHECK(!munmap(heap, LEN));
}

/* ---- SIGBUS of its own -------------------------------------------------- */

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	/* The handler uses memory that is away. */
	verify(heap + MIB, PAGE * 4, 3);
	if (sig != SIGBUS || info->si_code != BUS_ADRERR)
		_exit(2);
	nr_faults++;
	siglongjmp(memory_out, 1);
}

static char *ended_file(void)
{
	int fd = memfd_create("memory", 0);
	char *p;

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)PAGE));
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	return p;
}

static void bus_in(int flags)
{
	char *file = ended_file();
	volatile char c = 0;

	heap = map(LEN);
	fill(heap + MIB, 4 * PAGE, 3);
	install(SIGBUS, on_bus, flags);
	nr_faults = 0;
	for (volatile int i = 0; i < 4; i++) {
		if (i % 2)
			push();
		if (!sigsetjmp(memory_out, 1))
			c = file[PAGE];
	}
	CHECK(nr_faults == 4 && !c);
	reset(SIGBUS);
	CHECK(!munmap(file, 2 * PAGE) && !munmap(heap, LEN));
}

static void bus(void)
{
	bus_in(0);
}

static void bus_on_stack(void)
{
	stack = map(LEN);
	use_stack(true);
	bus_in(SA_ONSTACK);
	use_stack(false);
}

static void bus_default(void *file)
{
	*(volatile char *)file;
	(void)*((volatile char *)file + PAGE);
}

static void bus_kills(void)
{
	char *p = away(LEN, 4), *file = ended_file();
	int status = in_child(bus_default, file);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	verify(p, LEN, 4);
	CHECK(!munmap(p, LEN) && !munmap(file, 2 * PAGE));
}

/* ---- Masks -------------------------------------------------------------- */

static void on_user(int sig, siginfo_t *info, void *context)
{
	sigset_t now;

	(void)sig;
	(void)info;
	(void)context;
	verify(heap, LEN, 5);
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGTERM) && sigismember(&now, SIGUSR1));
	nr_faults++;
}

static void blocked(void)
{
	struct sigaction act;
	sigset_t all, old, now;

	heap = away(LEN, 5);
	sigfillset(&all);
	CHECK(!pthread_sigmask(SIG_BLOCK, &all, &old));
	verify(heap, LEN, 5);
	push();
	CHECK(!sigprocmask(SIG_SETMASK, &old, &now));
	CHECK(sigismember(&now, SIGSEGV) && sigismember(&now, SIGBUS));
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &now) &&
	      !sigismember(&now, SIGBUS));
	install(SIGUSR1, on_user, 0);
	CHECK(!sigaction(SIGUSR1, NULL, &act));
	CHECK(sigismember(&act.sa_mask, SIGBUS));
	nr_faults = 0;
	push();
	raise(SIGUSR1);
	CHECK(nr_faults == 1);
	sigdelset(&all, SIGUSR1);
	CHECK(!sigprocmask(SIG_BLOCK, &act.sa_mask, NULL));
	push();
	raise(SIGUSR1);
	CHECK(sigsuspend(&all) == -1 && errno == EINTR);
	CHECK(nr_faults == 2);
	CHECK(!sigprocmask(SIG_SETMASK, &old, NULL));
	reset(SIGUSR1);
	CHECK(!munmap(heap, LEN));
}

static void count(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	nr_faults++;
}

/* A signal that is sent while it is blocked waits. */
static void sent_while_blocked(void)
{
	static const int sigs[] = { SIGSEGV, SIGQUIT, SIGBUS };
	char *p = away(LEN, 9);
	sigset_t set, now;
	int got;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		sigemptyset(&set);
		sigaddset(&set, sigs[i]);
		CHECK(!sigprocmask(SIG_BLOCK, &set, NULL));
		CHECK(!raise(sigs[i]));
		if (sigs[i] != SIGBUS) {
			CHECK(!sigpending(&now) && sigismember(&now, sigs[i]));
			CHECK(!sigwait(&set, &got) && got == sigs[i]);
			CHECK(!raise(sigs[i]));
		}
		install(sigs[i], count, 0);
		nr_faults = 0;
		verify(p, LEN, 9);
		push();
		CHECK(nr_faults == 0);
		CHECK(!sigprocmask(SIG_UNBLOCK, &set, NULL));
		CHECK(nr_faults == 1);
		reset(sigs[i]);
	}
	CHECK(!munmap(p, LEN));
}

/* ---- Masks of calls that wait ------------------------------------------- */

#define WAIT_S 60 /* never so long, unless the mask is ignored */

static const struct timespec wait_t = { .tv_sec = WAIT_S };
static int epoll;

static int by_ppoll(const sigset_t *mask)
{
	return ppoll(NULL, 0, &wait_t, mask);
}

static int by_pselect(const sigset_t *mask)
{
	return pselect(0, NULL, NULL, NULL, &wait_t, mask);
}

static int by_epoll_pwait(const sigset_t *mask)
{
	struct epoll_event e;

	return epoll_pwait(epoll, &e, 1, WAIT_S * 1000, mask);
}

#if __GLIBC_PREREQ(2, 35)
static int by_epoll_pwait2(const sigset_t *mask)
{
	struct epoll_event e;
	int ret = epoll_pwait2(epoll, &e, 1, &wait_t, mask);

	/* Before Linux 5.11 */
	return ret == -1 && errno == ENOSYS ? by_epoll_pwait(mask) : ret;
}
#endif

/*
 * @mask is away itself.  The handler of the signal that @mask lets in touches
 * away memory; the other signal waits.
 */
static void waits_by(int (*fn)(const sigset_t *), sigset_t *mask)
{
	sigset_t now;

	sigfillset(mask);
	sigdelset(mask, SIGUSR1);
	nr_faults = 0;
	push();
	CHECK(!raise(SIGUSR2) && !raise(SIGUSR1));
	CHECK(fn(mask) == -1 && errno == EINTR);
	CHECK(nr_faults == 1);
	CHECK(!sigpending(&now) && sigismember(&now, SIGUSR2));
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGBUS));
}

static void waits(void)
{
	static int (*const fns[])(const sigset_t *) = {
		sigsuspend,
		by_ppoll,
		by_pselect,
		by_epoll_pwait,
#if __GLIBC_PREREQ(2, 35)
		by_epoll_pwait2,
#endif
	};
	sigset_t set, *mask;
	struct sigaction act = { .sa_sigaction = on_user,
				 .sa_flags = SA_SIGINFO };

	heap = away(LEN, 5);
	mask = map(MIB);
	epoll = epoll_create1(0);
	CHECK(epoll >= 0);
	/* The handler has an empty sa_mask: it adds nothing to the mask. */
	CHECK(!sigaction(SIGUSR1, &act, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	CHECK(!sigprocmask(SIG_BLOCK, &set, NULL));
	for (size_t i = 0; i < sizeof(fns) / sizeof(*fns); i++)
		waits_by(fns[i], mask);
	CHECK(signal(SIGUSR2, SIG_IGN) == SIG_DFL);
	CHECK(!sigprocmask(SIG_UNBLOCK, &set, NULL));
	reset(SIGUSR1);
	reset(SIGUSR2);
	close(epoll);
	CHECK(!munmap(heap, LEN) && !munmap(mask, MIB));
}

/* ---- What it asks ------------------------------------------------------- */

static void asks(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGABRT, SIGQUIT,
				    SIGUSR2 };
	struct sigaction act, once = { .sa_sigaction = count,
				       .sa_flags = SA_SIGINFO | SA_RESETHAND };
	char *p = away(LEN, 6);

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		CHECK(!sigaction(sigs[i], NULL, &act));
		CHECK(act.sa_handler == SIG_DFL);
		CHECK(signal(sigs[i], SIG_IGN) == SIG_DFL);
		CHECK(!raise(sigs[i]));
		CHECK(!sigaction(sigs[i], &once, &act));
		CHECK(act.sa_handler == SIG_IGN);
		CHECK(!sigaction(sigs[i], NULL, &act));
		CHECK(act.sa_sigaction == count);
		CHECK(act.sa_flags & SA_SIGINFO);
		CHECK((unsigned)act.sa_flags & SA_RESETHAND);
		nr_faults = 0;
		CHECK(!raise(sigs[i]) && nr_faults == 1);
		CHECK(!sigaction(sigs[i], NULL, &act));
		CHECK(act.sa_handler == SIG_DFL);
	}
	CHECK(signal(SIGKILL, SIG_DFL) == SIG_ERR && errno == EINVAL);
	CHECK(sigaction(99, NULL, &act) && errno == EINVAL);
	verify(p, LEN, 6);
	CHECK(!munmap(p, LEN));
}

/* ---- Jumps, threads ----------------------------------------------------- */

static void jumps(void)
{
	char *p = away(LEN, 7);

	for (int i = 0; i < 300; i++) {
		CHECK(touch((char *)8 + i, i % 2) == SIGSEGV);
		if (i % 100 == 0)
			push();
		verify_at(p + i * PAGE, 7, i * PAGE, (i + 1) * PAGE);
	}
	CHECK(!munmap(p, LEN));
}

static void *with_stack(void *arg)
{
	stack_t ss = { .ss_sp = malloc(16 * PAGE), .ss_size = 16 * PAGE }, now;
	uint64_t *p = arg;

	CHECK(!sigaltstack(NULL, &now) && now.ss_flags == SS_DISABLE);
	CHECK(ss.ss_sp && !sigaltstack(&ss, NULL));
	for (int i = 0; i < 4; i++) {
		verify(p, LEN, 8);
		raise(SIGUSR1);
	}
	ss.ss_flags = SS_DISABLE;
	CHECK(!sigaltstack(&ss, &now) && now.ss_sp == ss.ss_sp);
	free(ss.ss_sp);
	return NULL;
}

static void thread_stacks(void)
{
	char *p = away(LEN, 8);
	pthread_t t[8];

	heap = p;
	install(SIGUSR1, count, SA_ONSTACK);
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, with_stack, p));
	push();
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_join(t[i], NULL));
	reset(SIGUSR1);
	CHECK(!munmap(p, LEN));
}

static const struct part parts[] = {
	{ "write-barrier", write_barrier },
	{ "write-barrier-on-stack", write_barrier_on_stack },
	{ "small-stack", small_stack },
	{ "read-barrier", read_barrier },
	{ "bus", bus },
	{ "bus-on-stack", bus_on_stack },
	{ "bus-kills", bus_kills },
	{ "blocked", blocked },
	{ "waits", waits },
	{ "sent-while-blocked", sent_while_blocked },
	{ "asks", asks },
	{ "jumps", jumps },
	{ "thread-stacks", thread_stacks },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
