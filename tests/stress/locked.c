// SPDX-License-Identifier: MIT
/*
 * One thread locks and unlocks its memory with mlock(2) while another moves it
 * to a device over and over: what is touched while it is locked stays in RAM,
 * however the two met, and nothing else stays locked.
 */
#include <pthread.h>
#include <sched.h>

#include "../context.h"

#define NPAGES 64

static _Atomic unsigned moves;
static _Atomic bool stop;
static struct uhmm *u;
static struct uhmm_device *dev;
static char *area;

static void *mover(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
		atomic_fetch_add(&moves, 1);
	}
	return NULL;
}

/* Two moves end: the first of them may have begun before this call. */
static void wait_for_move(void)
{
	unsigned now = atomic_load(&moves);

	while (atomic_load(&moves) - now < 2)
		sched_yield();
}

/* Where the kernel cannot bring it home, it is there before. */
static void lock(bool alone)
{
	if (!alone)
		CHECK_EQ(uhmm_pin(u, area, NPAGES * PAGE), 0);
	if (test_mlock(area, NPAGES * PAGE))
		test_skip("may not lock 256 KiB");
	if (!alone)
		CHECK_EQ(uhmm_unpin(u, area, NPAGES * PAGE), 0);
}

int main(void)
{
	unsigned rounds = test_is_soak() ? 100000 : 300;
	pthread_t thread;
	bool alone;

	u = test_open();
	dev = test_any_device(u, "ram:16M");
	alone = test_has(u, "threads") && test_has(u, "kernel-faults");
	area = test_map(NPAGES);
	CHECK_EQ(pthread_create(&thread, NULL, mover, NULL), 0);
	for (unsigned i = 0; i < rounds; i++) {
		test_fill(area, NPAGES, i); /* the mover has something to do */
		lock(alone);
		wait_for_move();
		test_verify(area, NPAGES, i);
		wait_for_move();
		/* uhmm_snapshot() could find it on its way: it is tried */
		CHECK_EQ(test_nr_present(area, NPAGES), NPAGES);
		CHECK_EQ(test_munlock(area, NPAGES * PAGE), 0);
		wait_for_move();
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	test_move(u, area, NPAGES, dev);
	test_close(u);
	return 0;
}
