// SPDX-License-Identifier: MIT
/*
 * Pages that were only read keep their copy on the device, and leave again
 * without another: all that are asked for, movable or not.  One that cannot
 * leave has its reason, as any other.
 */
#include "world.h"

#define N  8
#define AT 3 /* a page that differs */

/* N pages in RAM, with good copies on @dev; page AT is marked. */
static void read_back(struct world *w, struct uhmm_device *dev, unsigned mark)
{
	world_map(w, 0, N);
	world_fill(w, 0, N, 1);
	CHECK_EQ(world_move(w, 0, N, dev), N);
	fake_mark(w->mm, (uintptr_t)world_at(AT), (uintptr_t)world_at(AT + 1),
		  mark, true);
	for (size_t i = 0; i < N; i++) /* backwards, so that it is no stream */
		world_verify(w, N - 1 - i, 1, 1);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(world_state(w, i), P_CLEAN);
}

/* @reason: why the page that differs stays. */
static void test_leave(const char *rung, unsigned mark, enum uhmm_why reason)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung };
	struct world w = world_open(&params);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, STORE_PLAIN, 4 * N);
	size_t n = N - (reason != UHMM_WHY_OK);
	uint8_t why[N];

	world_set_limit(&w, 64);
	read_back(&w, dev, mark);
	atomic_store(&s.broken[STORE_IN], true);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), sizeof(why) * PAGE, dev,
				  why),
		 n);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(why[i], i == AT ? reason : UHMM_WHY_OK);
	world_check(&w);
	CHECK_EQ(device_used(dev), n);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

/* ---- The application is faster ----------------------------------------- */

static struct mm_ops ops;
static void (*stash)(struct mm *mm, struct mm_freeze *f);

/* The event of an MADV_FREE, and nothing is taken. */
static void discard_first(struct mm *mm, struct mm_freeze *f)
{
	const struct mm_client *c = mm->client;
	uintptr_t va = (uintptr_t)world_at(AT);

	c->discard(c->priv, va, va + PAGE);
	set_clear(&f->framed);
	set_clear(&f->holes);
}

static void map_over_first(struct mm *mm, struct mm_freeze *f)
{
	uintptr_t va = (uintptr_t)world_at(AT);

	fake_munmap(mm, va, va + PAGE);
	CHECK_EQ(fake_map(mm, va, va + PAGE, MM_ANON), 0);
	stash(mm, f);
}

static void test_overtaken(void (*first)(struct mm *mm, struct mm_freeze *f),
			   enum page_state state)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = "move" };
	struct world w = world_open(&params);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, STORE_PLAIN, 4 * N);

	world_set_limit(&w, 64);
	read_back(&w, dev, 0);
	ops = *w.mm->ops;
	stash = ops.stash;
	ops.stash = first;
	w.mm->ops = &ops;
	uhmm_migrate(w.u, world_at(AT), PAGE, dev);
	ops.stash = stash;
	CHECK_EQ(world_state(&w, AT), state);
	CHECK_EQ(device_used(dev), N - 1);
	world_close(&w);
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_leave(rungs[i], 0, UHMM_WHY_OK);
		test_leave(rungs[i], FAKE_READONLY, UHMM_WHY_OK);
		test_leave(rungs[i], FAKE_LOCKED, UHMM_WHY_LOCKED);
		test_leave(rungs[i], FAKE_PINNED, UHMM_WHY_PINNED);
	}
	test_overtaken(discard_first, P_DROPPED);
	test_overtaken(map_over_first, P_RAM);
	test_leave("move", FAKE_LOCKS, UHMM_WHY_LOCKED);
	return 0;
}
