// SPDX-License-Identifier: MIT
/*
 * A range is taken in by one thread and unregistered by another: each of them
 * sees all of the other's work or nothing, and goes on with that.
 */
#include "core/page/region.h"

#include "world.h"

#define NPAGES 8

static struct world w;
static bool unregister_next, untracked;

static bool is_managed(uintptr_t start, uintptr_t end)
{
	return region_covers(w.u, start, end);
}

/* What a thread would find that took the range in just then. */
static int look_at_untrack(struct mm *mm, uintptr_t start, uintptr_t end,
			   mm_forget_fn *forget, void *priv)
{
	int err;

	CHECK(is_managed(start, end));
	err = w.orig->untrack(mm, start, end, forget, priv);
	CHECK(err || !is_managed(start, end));
	untracked = true;
	return err;
}

/* Another thread unregisters all, at the first moment that it can. */
static int track_in_vain(struct mm *mm, uintptr_t start, uintptr_t end)
{
	int err = w.orig->track(mm, start, end);

	if (unregister_next) {
		unregister_next = false;
		CHECK_EQ(uhmm_unregister(w.u, world_at(0), NPAGES * PAGE), 0);
	}
	return err;
}

static void open_world(struct store *s, struct uhmm_device **ret_dev)
{
	w = world_open(NULL);
	world_hold(&w);
	world_map(&w, 0, NPAGES);
	*ret_dev = store_add(w.u, s, STORE_PLAIN, 64);
}

static void close_world(void)
{
	world_close(&w);
	world_let_go(&w);
}

/* With blocks that were never used, and with others. */
static void test_one_step(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	w.ops->untrack = look_at_untrack;
	CHECK_EQ(uhmm_register(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK(untracked);
	untracked = false;
	CHECK_EQ(uhmm_migrate(w.u, world_at(0), NPAGES * PAGE, dev), NPAGES);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK(untracked);
	w.ops->untrack = w.orig->untrack;
	close_world();
}

static void test_migrate(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	w.ops->track = track_in_vain;
	unregister_next = true;
	CHECK_EQ(uhmm_migrate(w.u, world_at(0), NPAGES * PAGE, dev), NPAGES);
	CHECK(!unregister_next);
	close_world();
}

/* Pinned is what is managed, and can be unpinned. */
static void test_pin(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	w.ops->track = track_in_vain;
	unregister_next = true;
	CHECK_EQ(uhmm_pin(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK(!unregister_next);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), NPAGES * PAGE), -EBUSY);
	CHECK_EQ(uhmm_unpin(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), NPAGES * PAGE), 0);
	close_world();
}

/* Until the demoter finds nothing more to do. */
static void let_demote(void)
{
	for (int k = 0; k < 100 && policy_step(w.u); k++)
		;
}

/* Under a limit: what is not managed is not counted, and stays where it is. */
static void test_register(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	world_set_limit(&w, 1);
	world_fill(&w, 0, NPAGES, 1);
	w.ops->track = track_in_vain;
	unregister_next = true;
	CHECK_EQ(uhmm_register(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK(!unregister_next);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(world_word(&w, i), 0);
	let_demote();
	world_verify(&w, 0, NPAGES, 1);
	close_world();
}

/* The same where a page is counted all the same, however that came. */
static void test_counted(void)
{
	struct uhmm_device *dev;
	struct block *b;
	struct store s;

	open_world(&s, &dev);
	world_set_limit(&w, 1);
	world_fill(&w, 0, NPAGES, 1);
	b = block_get(w.u, (uintptr_t)world_at(0));
	CHECK(b != NULL);
	block_lock(b);
	CHECK_EQ(block_ensure_table(w.u, b), 0);
	block_home(w.u, b, 0, E_HOME);
	block_unlock(w.u, b);
	CHECK_EQ(out_park(w.u, b), 0);
	let_demote();
	world_verify(&w, 0, NPAGES, 1);
	block_lock(b);
	block_event(w.u, b, 0, E_FORGET);
	block_unlock(w.u, b);
	close_world();
}

int main(void)
{
	test_one_step();
	test_migrate();
	test_register();
	test_counted();
	test_pin();
	return 0;
}
