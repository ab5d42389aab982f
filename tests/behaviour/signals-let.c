// SPDX-License-Identifier: MIT
/*
 * Signals of a thread are handled while a call of it goes on: between the steps
 * of a long one, and while it waits for another thread.  A handler may call the
 * library, and leave a move by siglongjmp(3).
 */
#include <sched.h>

#include "../mirror.h"
#include "../stuck.h"

#define NBLOCKS 4

static struct test_ops ops;
static struct test_table table;
static struct uhmm *u;
static char *p, *q;
static sigjmp_buf away;
static _Atomic bool leave;
static _Atomic uint32_t handled, copies_then;

static void on_signal(int sig)
{
	uhmm_pfn_t pfn;

	(void)sig;
	copies_then = ops.in;
	if (!table.mirror)
		CHECK_EQ(uhmm_snapshot(u, p, PAGE, &pfn), 0);
	CHECK_EQ(*(volatile uint64_t *)q, test_word(2, 0));
	test_futex_set(&handled, handled + 1);
	if (leave)
		siglongjmp(away, 1);
}

/* Comes up in the middle of a copy that takes long, and waits there. */
static void raise_once(void)
{
	if (ops.in != 1)
		return;
	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	usleep(150 * 1000);
	CHECK_EQ(handled, 0);
}

static void check_steps(struct uhmm_device *dev)
{
	size_t npages = NBLOCKS * BLOCK_PAGES;

	handled = 0;
	ops.in = 0;
	ops.called = raise_once;
	if (!sigsetjmp(away, 1))
		CHECK(uhmm_migrate(u, p, npages * PAGE, dev) > 0);
	ops.called = NULL;
	CHECK_EQ(handled, 1);
	CHECK(copies_then < NBLOCKS);
	test_verify(p, npages, 1);
	CHECK(uhmm_migrate(u, p, npages * PAGE, dev) > 0);
	CHECK_EQ(uhmm_migrate(u, p, npages * PAGE, NULL), npages);
	test_verify(p, npages, 1);
}

static void *faulter(void *arg)
{
	CHECK_EQ(uhmm_mirror_fault(table.mirror, arg, PAGE, 0), 0);
	return NULL;
}

static void check_wait(void)
{
	pthread_t thread;

	handled = 0;
	test_mirror(u, &table, p, NULL);
	CHECK_EQ(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_PROTECT), 0);
	CHECK_EQ(pthread_create(&thread, NULL, faulter, p), 0);
	test_hear("uhmm_mirror_fault() has been waiting for ", "");
	CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
	test_futex_wait(&handled, 0);
	CHECK_EQ(table.maps, 0);
	CHECK_EQ(uhmm_notify_end(u, p, PAGE), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(table.maps, 1);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	table.mirror = NULL;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct uhmm_device *dev;

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	u = test_open_heard();
	dev = test_device_of(u, &ops, NBLOCKS * BLOCK_PAGES);
	p = test_map_blocks(NBLOCKS);
	q = test_map(1);
	test_fill(p, NBLOCKS * BLOCK_PAGES, 1);
	test_fill(q, 1, 2);
	check_wait();
	check_steps(dev);
	leave = true;
	check_steps(dev);
	test_close(u);
	return 0;
}
