/* SPDX-License-Identifier: MIT */
/*
 * thread.c - threads on stacks of our own.
 *
 * A handler thread serves the faults of all others: its stack must never be
 * managed memory, so it is mapped here.  The part that our threads use is
 * touched, so that serving a fault takes no memory; no thread was seen to use
 * more than 48 KiB.  pthread_create(3) itself may allocate, on the thread that
 * calls sys_thread_start().
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/cpu.h"
#include "sys/fail.h"
#include "sys/kernel.h"
#include "sys/lock.h"
#include "sys/sys.h"
#include "sys/waits.h"

#ifdef __SANITIZE_THREAD__ /* keeps a MiB of its own there */
#define STACK ((size_t)2 << 20)
#else
#define STACK ((size_t)256 << 10)
#endif
#define TOUCHED ((size_t)64 << 10)

/* Lies at the low end of the thread's own stack. */
struct start {
	void (*fn)(void *);
	void *arg;
	int cpu;
	_Atomic uint32_t begun; /* futex */
	const char *name;
};

enum {
	MAX_CPUS = 8192
};

struct cpus {
	unsigned long bits[MAX_CPUS / 64];
};

static bool cpus_has(const struct cpus *c, int cpu)
{
	return c->bits[cpu / 64] >> (cpu % 64) & 1;
}

static void cpus_get(struct cpus *c)
{
	int saved = errno;

	memset(c, 0, sizeof(*c));
	if (syscall(SYS_sched_getaffinity, 0, sizeof(*c), c) < 0) {
		c->bits[0] = 1;
		errno = saved;
	}
}

int sys_nr_cpus(void)
{
	struct cpus c;
	int n = 0;

	cpus_get(&c);
	for (int i = 0; i < MAX_CPUS / 64; i++)
		n += __builtin_popcountl(c.bits[i]);
	return n ? n : 1;
}

int sys_nth_cpu(int n)
{
	struct cpus c;

	cpus_get(&c);
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		if (cpus_has(&c, cpu) && n-- == 0)
			return cpu;
	return -1;
}

static void pin_thread(int cpu)
{
	struct cpus c = { 0 };

	if (cpu < 0 || cpu >= MAX_CPUS)
		return;
	c.bits[cpu / 64] = 1ul << (cpu % 64);
	/* The CPU may be gone by now; any other one works, if slower. */
	syscall(SYS_sched_setaffinity, 0, sizeof(c), &c);
}

static void *run(void *p)
{
	struct start *s = p;

	atomic_store(&s->begun, 1);
	sys_futex_wake(&s->begun, 1);
	prctl(PR_SET_NAME, s->name);
	sys_name_thread(s->name);
	pin_thread(s->cpu);
	s->fn(s->arg);
	return NULL;
}

/*
 * A guard page below @STACK bytes that are there.  Not MADV_DONTFORK: glibc
 * looks at the threads of a list that it keeps in their stacks after a fork.
 */
static int map_stack(struct sys_thread *t)
{
	uintptr_t addr;
	int ret;

	t->stack_len = STACK + SYS_PAGE_SIZE;
	ret = sys_own_map(t->stack_len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, &addr);
	if (ret)
		return ret;
	ret = sys_mprotect(addr, SYS_PAGE_SIZE, PROT_NONE);
	if (ret) {
		sys_own_unmap(addr, t->stack_len);
		return ret;
	}
	memset((char *)addr + t->stack_len - TOUCHED, 0, TOUCHED);
	t->stack = (void *)addr;
	return 0;
}

/*
 * As the kernel counts, bit n - 1 for signal n.  Left open: the signals that an
 * instruction raises, and SETXID, by which glibc changes credentials in all
 * threads, because the thread that changes them waits for each.  CANCEL, by
 * which glibc cancels a thread, is blocked in calls, which must not be left
 * with a lock held, but not in threads of ours.
 */
#define SIG_BIT(n) (UINT64_C(1) << ((n)-1))
#define CANCEL	   SIG_BIT(32)
#define SETXID	   SIG_BIT(33)
#define SIGS_OPEN                                               \
	(SIG_BIT(SIGBUS) | SIG_BIT(SIGSEGV) | SIG_BIT(SIGILL) | \
	 SIG_BIT(SIGFPE) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGSYS) | \
	 SIG_BIT(SIGABRT) | SETXID)

/* Block the signals that a thread of ours starts with. */
static void block_for_thread(uint64_t *ret_old)
{
	uint64_t set = ~(SIGS_OPEN | CANCEL);

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, ret_old, sizeof(set));
}

static int create(struct sys_thread *t, struct start *s)
{
	size_t used = (sizeof(*s) + 63) & ~(size_t)63;
	pthread_attr_t attr;
	pthread_t id;
	uint64_t old;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	pthread_attr_setstack(&attr, (char *)s + used, STACK - used);
	block_for_thread(&old);
	ret = sys_should_fail("pthread_create") ?
		      EAGAIN :
		      pthread_create(&id, &attr, run, s);
	sys_signals_restore(old);
	pthread_attr_destroy(&attr);
	/* EAGAIN would tell our callers that trying again helps. */
	if (ret)
		return ret == EAGAIN ? -ENOMEM : -ret;
	t->id = (unsigned long)id;
	return 0;
}

int sys_thread_start(struct sys_thread *t, void (*fn)(void *), void *arg,
		     int cpu, const char *name)
{
	struct start *s;
	int ret;

	ret = map_stack(t);
	if (ret)
		return ret;
	s = (struct start *)((char *)t->stack + SYS_PAGE_SIZE);
	s->fn = fn;
	s->arg = arg;
	s->cpu = cpu;
	s->name = name;
	ret = create(t, s);
	if (ret) {
		sys_free(t->stack, t->stack_len);
		t->stack = NULL;
		return ret;
	}
	while (!atomic_load(&s->begun))
		sys_futex_wait(&s->begun, 0, 0);
	return 0;
}

void sys_thread_join(struct sys_thread *t)
{
	if (!t->stack)
		return;
	pthread_join((pthread_t)t->id, NULL);
	sys_free(t->stack, t->stack_len);
	t->stack = NULL;
}

int sys_gettid(void)
{
	return (int)syscall(SYS_gettid);
}

void sys_die(void)
{
	for (;;)
		kill(getpid(), SIGKILL);
}

void sys_yield(void)
{
	sched_yield();
}

void sys_signals_block(uint64_t *ret_old)
{
	uint64_t set = ~SIGS_OPEN;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, ret_old, sizeof(set));
}

int sys_cancel_block(void)
{
	int old = PTHREAD_CANCEL_ENABLE;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	return old;
}

/*
 * glibc 2.36: a thread that is ended by pthread_setcancelstate(3) does not have
 * PTHREAD_CANCELED as its result, one that pthread_setcanceltype(3) ends does.
 */
void sys_cancel_restore(int old)
{
	int type;

	if (old == PTHREAD_CANCEL_DISABLE)
		return;
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	pthread_setcancelstate(old, NULL);
	if (type != PTHREAD_CANCEL_DEFERRED)
		pthread_setcanceltype(type, NULL);
}

void sys_signals_restore_most(uint64_t old)
{
	sys_signals_restore(old | CANCEL);
}

void sys_signals_restore(uint64_t old)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
}
