// SPDX-License-Identifier: MIT
/*
 * Each touch of a lost page raises SIGBUS once, in the thread that touches the
 * page, and none comes when the thread has gone on: with several threads at
 * pages of one block, all of which are woken whenever the library settles it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "../object.h"

#define NR_THREADS 3
#define EACH	   24
#define ROUNDS	   12
#define NPAGES	   (NR_THREADS * EACH)

static _Thread_local sigjmp_buf jump;
static _Thread_local volatile sig_atomic_t is_touching, raised;
static atomic_uint late;
static pthread_barrier_t barrier;
static char *p;

static void on_bus(int sig)
{
	(void)sig;
	if (!is_touching) {
		atomic_fetch_add(&late, 1);
		return;
	}
	is_touching = 0;
	raised++;
	siglongjmp(jump, 1);
}

static void touch(const volatile char *at)
{
	if (sigsetjmp(jump, 1))
		return;
	is_touching = 1;
	(void)*at;
	is_touching = 0;
}

static void *touch_all(void *arg)
{
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		raised = 0;
		for (size_t i = (uintptr_t)arg; i < NPAGES; i += NR_THREADS)
			touch(p + i * PAGE);
		CHECK_EQ(raised, EACH);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void lose_all(struct uhmm *u, bool shared)
{
	struct uhmm_device *dev = test_device(u, "ram:1M");

	p = shared ? test_shared(NPAGES) : test_map_blocks(1);
	if (shared)
		test_adopt(u, p);
	else
		CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_lost(dev), 0);
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_bus };
	pthread_t t[NR_THREADS];
	struct uhmm *u;

	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, NR_THREADS + 1), 0);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, touch_all, (void *)i), 0);
	for (int round = 0; round < ROUNDS; round++) {
		lose_all(u, round % 2);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
	for (int i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(late, 0);
	test_close(u);
	return 0;
}
