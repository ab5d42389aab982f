// SPDX-License-Identifier: MIT
/*
 * A thread discards or protects memory at the very moment when a part of it is
 * about to become memory that the CPU uses in place, or to leave it.  The
 * thread announces that: then all of it reads as zeroes, or is protected.
 *
 * Unannounced a new mapping would have the old protection.  And before Linux
 * 6.18 the kernel discards the front of a mapping that is cut in two meanwhile,
 * and the rest keeps its data: see uhmm(7), LIMITS.  The step is a function of
 * the library, which is wrapped here.
 */
#include <pthread.h>

#include <uhmm/mirror.h>

#include "../asleep.h"

#define NPAGES 64
#define FIRST  8
#define NMOVED 4

int __real_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area;
static bool (*_Atomic between)(void);
static _Atomic pid_t tid;
static pthread_t thread;

static bool discard(void)
{
	return !madvise(area, NPAGES * PAGE, MADV_DONTNEED);
}

static bool protect(void)
{
	return !mprotect(area, NPAGES * PAGE, PROT_READ);
}

static void *change(void *arg)
{
	bool (*fn)(void) = *(bool (**)(void))arg;

	tid = asleep_self();
	CHECK_EQ(uhmm_notify_begin(u, area, NPAGES * PAGE,
				   fn == discard ? UHMM_NOTIFY_CLEAR :
						   UHMM_NOTIFY_PROTECT),
		 0);
	CHECK(fn());
	CHECK_EQ(uhmm_notify_end(u, area, NPAGES * PAGE), 0);
	return NULL;
}

/* The thread waits for its event to be read, or, announcing, for this move. */
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags)
{
	static bool (*fn)(void);

	if (to - (uintptr_t)area >= NPAGES * PAGE || !between)
		return __real_sys_mremap(from, to, len, flags);
	fn = atomic_exchange(&between, NULL);
	tid = 0;
	CHECK_EQ(pthread_create(&thread, NULL, change, &fn), 0);
	asleep_wait(&tid);
	return __real_sys_mremap(from, to, len, flags);
}

/* Move pages from the middle of the area to @to, and change all of it. */
static void race(bool (*fn)(void), struct uhmm_device *to)
{
	between = fn;
	CHECK_SOON(uhmm_migrate(u, area + FIRST * PAGE, NMOVED * PAGE, to) >=
			   0 &&
		   !between);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void test_discard(struct uhmm_device *to)
{
	race(discard, to);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(*(volatile uint64_t *)(area + i * PAGE), 0);
}

static sigjmp_buf out;

static void on_segv(int sig)
{
	siglongjmp(out, sig);
}

static bool can_write(char *p)
{
	if (sigsetjmp(out, 1))
		return false;
	*(volatile char *)p = 1;
	return true;
}

static void test_protect(struct uhmm_device *to)
{
	race(protect, to);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(!can_write(area + i * PAGE));
	test_verify(area, NPAGES, 1);
	CHECK_EQ(mprotect(area, NPAGES * PAGE, PROT_READ | PROT_WRITE), 0);
}

static void test_both(void (*test)(struct uhmm_device *to))
{
	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 1);
	test(dev);
	test_fill(area, NPAGES, 1);
	test_move(u, area, NPAGES, dev);
	test(NULL);
	test_fill(area, NPAGES, 2);
	test_move(u, area, NPAGES, dev);
	test_verify(area, NPAGES, 2);
}

/*
 * Pages do not come home where a change is announced, and nothing waits for
 * that; but they do before they are forgotten.
 */
static void test_announced_alone(void)
{
	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 1);
	test_move(u, area, NPAGES, dev);
	CHECK_EQ(uhmm_notify_begin(u, area, NPAGES * PAGE, UHMM_NOTIFY_CLEAR),
		 0);
	CHECK_EQ(uhmm_migrate(u, area, NPAGES * PAGE, NULL), 0);
	CHECK_EQ(uhmm_pin(u, area, PAGE), -EBUSY);
	CHECK_EQ(uhmm_unregister(u, area, NPAGES * PAGE), 0);
	test_verify(area, NPAGES, 1);
	CHECK_EQ(uhmm_notify_end(u, area, NPAGES * PAGE), 0);
}

int main(void)
{
	CHECK(signal(SIGSEGV, on_segv) != SIG_ERR);
	u = test_open();
	dev = test_device(u, "dax:4M");
	test_both(test_discard);
	test_both(test_protect);
	test_announced_alone();
	test_close(u);
	return 0;
}
