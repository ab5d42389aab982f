// SPDX-License-Identifier: MIT
/*
 * A thread that waits for a call that hangs, or for the program, is named by
 * the log with what it waits for: one case for each kind of wait.  All go on,
 * and no data are lost, when that has ended.
 */
#include <sched.h>
#include <sys/wait.h>

#include "../mirror.h"
#include "../stuck.h"

#define NPAGES 8

static struct test_ops ops;
static struct test_table table;
static struct uhmm *u;
static struct uhmm_device *dev;
static char *p, *away;

static void run_thread(pthread_t *t, void *(*fn)(void *))
{
	CHECK_EQ(pthread_create(t, NULL, fn, NULL), 0);
}

static void join(pthread_t t)
{
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static void begin(void)
{
	memset(&ops, 0, sizeof(ops));
	u = test_open_heard();
	dev = test_device_named(u, &ops, 4 * NPAGES, "stuck",
				UHMM_DEVICE_CONCURRENT);
	p = test_map(NPAGES);
	away = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	test_fill(away, NPAGES, 2);
	CHECK_EQ(uhmm_register(u, away, BLOCK), 0);
	test_move(u, away, NPAGES, dev);
}

static void end(void)
{
	test_verify(p, NPAGES, 1);
	test_verify(away, NPAGES, 2);
	test_close(u);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(munmap(away, BLOCK), 0);
}

static void hold_home(struct test_toucher *t)
{
	ops.hold_out = 1;
	test_touch(t, away);
	test_wait_held(&ops);
}

static void let_home(struct test_toucher *t)
{
	test_release(&ops);
	CHECK_EQ(test_touched(t), 0);
}

/* ---- A fork, and a move that waits for it ---- */

static void *forker(void *arg)
{
	pid_t pid = fork();
	int status;

	(void)arg;
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return NULL;
}

static void *mover(void *arg)
{
	(void)arg;
	CHECK(uhmm_migrate(u, p + PAGE, PAGE, dev) >= 0);
	return NULL;
}

static void check_fork(void)
{
	struct test_mover m = { .npages = 1 };
	pthread_t fork, move;

	begin();
	m.u = u;
	m.dev = dev;
	m.p = p;
	ops.hold_in = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	run_thread(&fork, forker);
	test_hear("fork(2) has been waiting for ", "moves under way to end");
	run_thread(&move, mover);
	test_hear("uhmm_migrate() has been waiting for ", " a fork(2)");
	test_release(&ops);
	test_mover_join(&m);
	join(fork);
	join(move);
	end();
}

/* ---- The worker ---- */

static void *remover(void *arg)
{
	(void)arg;
	CHECK_EQ(uhmm_device_remove(dev), 0);
	return NULL;
}

static void check_worker(void)
{
	pthread_t t;

	begin();
	ops.hold_in = 1;
	CHECK_EQ(uhmm_migrate_start(u, p, PAGE, dev, 1), 0);
	test_wait_held(&ops);
	run_thread(&t, remover);
	test_hear("uhmm_device_remove() has been waiting for ",
		  " the worker to do it");
	test_release(&ops);
	join(t);
	end();
}

/* ---- A device that is lost ---- */

static void check_lost(void)
{
	struct test_mover m = { .npages = 1 };
	pthread_t t;

	begin();
	test_move(u, away, NPAGES, NULL);
	m.u = u;
	m.dev = dev;
	m.p = p;
	ops.hold_in = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	run_thread(&t, remover);
	test_hear("uhmm_device_remove() has been waiting for ",
		  "a move to end in the block at 0x");
	test_release(&ops);
	test_mover_join(&m);
	join(t);
	end();
}

/* ---- A page on its way home ---- */

static void *pinner(void *arg)
{
	(void)arg;
	CHECK_EQ(uhmm_pin(u, away, PAGE), 0);
	CHECK_EQ(uhmm_unpin(u, away, PAGE), 0);
	return NULL;
}

static void check_pin(void)
{
	struct test_toucher touch = { 0 };
	pthread_t t;

	begin();
	hold_home(&touch);
	run_thread(&t, pinner);
	test_hear("uhmm_pin() has been waiting for ", "pages to come home");
	let_home(&touch);
	join(t);
	end();
}

/* ---- A page that moves with its mapping ---- */

static void *remapper(void *arg)
{
	away = mremap(away, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, arg);
	CHECK(away == arg);
	return NULL;
}

static void *asker(void *arg)
{
	uhmm_pfn_t pfn;

	(void)arg;
	CHECK_EQ(uhmm_snapshot(u, p, PAGE, &pfn), 0);
	return NULL;
}

static void check_remap(void)
{
	struct test_mover m = { .npages = NPAGES };
	pthread_t remap, ask;

	begin();
	m.u = u;
	m.p = away;
	ops.hold_out = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	CHECK_EQ(pthread_create(&remap, NULL, remapper, test_map_blocks(1)), 0);
	test_hear("uhmm-fault has been waiting for ",
		  "a page that moves with its mapping");
	run_thread(&ask, asker);
	test_hear("uhmm_snapshot() has been waiting for ",
		  "an event to be applied");
	test_release(&ops);
	test_mover_join(&m);
	join(remap);
	join(ask);
	end();
}

/* ---- Mirrors ---- */

static void *device_faulter(void *arg)
{
	int err = uhmm_mirror_fault(table.mirror, arg, PAGE, 0);

	CHECK(err == 0 || err == -ENODEV);
	return NULL;
}

static void *mirror_remover(void *arg)
{
	(void)arg;
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	return NULL;
}

static void check_mirror(void)
{
	pthread_t fault, removal;

	begin();
	test_mirror(u, &table, away, NULL);
	CHECK_EQ(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_PROTECT), 0);
	CHECK_EQ(pthread_create(&fault, NULL, device_faulter, p), 0);
	test_hear("uhmm_mirror_fault() has been waiting for ",
		  "uhmm_notify_end()");
	CHECK_EQ(uhmm_notify_end(u, p, PAGE), 0);
	join(fault);

	ops.hold_out = 1;
	CHECK_EQ(pthread_create(&fault, NULL, device_faulter, away), 0);
	test_wait_held(&ops);
	run_thread(&removal, mirror_remover);
	test_hear("uhmm_mirror_remove() has been waiting for ",
		  "faults of the mirror to end");
	test_release(&ops);
	join(fault);
	join(removal);
	end();
}

int main(void)
{
	test_catch_threads();
	check_fork();
	check_worker();
	check_lost();
	check_pin();
	check_remap();
	check_mirror();
	return 0;
}
