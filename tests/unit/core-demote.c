// SPDX-License-Identifier: MIT
/*
 * The demoter cannot keep pages away that a mover brings home: the move ends,
 * however little room there is.
 *
 * The pages are on two devices, so that they come home one device after the
 * other; each copy home gives the demoter time to send away what came before.
 */
#include "world.h"

#define N     20 /* pages, half of them on each device */
#define MOST  10 /* copies home, after which the demoter gives in */
#define A_BIT 20000

static struct world w;
static struct store s[3];
static struct uhmm_device *dev[3];
static struct sys_thread demoter;
static _Atomic bool stop, is_idle;
static _Atomic int copies;

static void demoter_main(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		atomic_store(&is_idle, policy_step(w.u) == 0);
}

/* Until the demoter finds nothing more to do, or for as long as it waits. */
static void let_demote(struct store *store, enum store_call call,
		       const struct uhmm_segment *seg)
{
	(void)store;
	(void)seg;
	if (call != STORE_OUT || atomic_fetch_add(&copies, 1) >= MOST)
		return;
	atomic_store(&is_idle, false);
	for (int us = 0; us < A_BIT && !atomic_load(&is_idle); us += 100)
		usleep(100);
}

static void setup(const char *rung)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung };

	w = world_open(&params);
	world_set_limit(&w, 1);
	world_map(&w, 0, N);
	world_fill(&w, 0, N, 1);
	for (int i = 0; i < 3; i++) {
		dev[i] = store_add(w.u, &s[i], STORE_PLAIN, 2 * N);
		s[i].hook = let_demote;
	}
	CHECK_EQ(world_move(&w, 0, N / 2, dev[0]), N / 2);
	CHECK_EQ(world_move(&w, N / 2, N / 2, dev[1]), N / 2);
	atomic_store(&copies, 0);
	atomic_store(&stop, false);
	CHECK_EQ(sys_thread_start(&demoter, demoter_main, NULL, -1, "demoter"),
		 0);
}

static void finish(void)
{
	atomic_store(&stop, true);
	sys_thread_join(&demoter);
	CHECK_EQ(atomic_load(&copies), 2); /* one for each device */
	for (int i = 0; i < 3; i++)
		s[i].hook = NULL;
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

static void test_pin(const char *rung)
{
	setup(rung);
	CHECK_EQ(uhmm_pin(w.u, world_at(0), N * PAGE), 0);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(world_state(&w, i), P_RAM);
	finish();
}

static void test_home(const char *rung)
{
	setup(rung);
	CHECK_EQ(world_move(&w, 0, N, NULL), N);
	finish();
}

/* Device memory cannot be copied to another device but by way of RAM. */
static void test_other_device(const char *rung)
{
	setup(rung);
	CHECK_EQ(world_move(&w, 0, N, dev[2]), N);
	CHECK_EQ(device_used(dev[2]), N);
	finish();
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_pin(rungs[i]);
		test_home(rungs[i]);
		test_other_device(rungs[i]);
	}
	return 0;
}
