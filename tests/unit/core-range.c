// SPDX-License-Identifier: MIT
/*
 * A range is taken in by one thread and unregistered by another: each of them
 * sees all of the other's work or nothing, and goes on with that.
 */
#include "core/fault/fault.h"
#include "core/page/region.h"

#include "world.h"

#define NPAGES 8

static struct world w;
static bool unregister_next, untracked;

static bool is_managed(uintptr_t start, uintptr_t end)
{
	return region_covers(w.u, start, end);
}

/* The range is managed until untrack() is done, and is not from then on. */
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

/* Pages that are not managed stay, even if one of them is counted. */
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
	CHECK_EQ(world_park(&w, 0), 0);
	let_demote();
	world_verify(&w, 0, NPAGES, 1);
	block_lock(b);
	block_event(w.u, b, 0, E_FORGET);
	block_unlock(w.u, b);
	close_world();
}

/* ---- Events beside uhmm_unregister() ------------------------------------- */

#define HALF (NPAGES / 2)
#define FROM NPAGES /* a page behind them */

static void unregister_half(void)
{
	CHECK_EQ(uhmm_register(w.u, world_at(0), NPAGES * PAGE), 0);
	fake_discard(w.mm, FAKE_BASE, FAKE_BASE + HALF * PAGE);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), HALF * PAGE), 0);
}

static void check_unknown(void)
{
	for (size_t i = 0; i < HALF; i++)
		CHECK_EQ(world_word(&w, i), 0);
	for (size_t i = HALF; i < NPAGES; i++)
		CHECK(world_word(&w, i) != 0);
}

/* Of what is managed no more nothing is remembered. */
static void test_discarded_before(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	unregister_half();
	CHECK_EQ(uhmm_migrate(w.u, world_at(HALF), HALF * PAGE, dev), HALF);
	check_unknown();
	close_world();
}

/* Another thread unregisters it between the discard and its event. */
static void test_discarded_late(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	CHECK_EQ(uhmm_migrate(w.u, world_at(0), NPAGES * PAGE, dev), NPAGES);
	unregister_half();
	core_discard(w.u, FAKE_BASE, FAKE_BASE + HALF * PAGE);
	check_unknown();
	close_world();
}

static unsigned nr_untracks;

/*
 * A page of a device comes to where all had just come home.  The first call is
 * for a range without a block, and is refused.
 */
static int untrack_beside_remap(struct mm *mm, uintptr_t start, uintptr_t end,
				mm_forget_fn *forget, void *priv)
{
	if (++nr_untracks == 2) {
		fake_munmap(mm, FAKE_BASE, FAKE_BASE + PAGE);
		CHECK_EQ(fake_mremap(mm, FAKE_BASE + FROM * PAGE, FAKE_BASE,
				     PAGE),
			 0);
	}
	return w.orig->untrack(mm, start, end, forget, priv);
}

static void test_remapped(void)
{
	struct uhmm_device *dev;
	struct store s;

	open_world(&s, &dev);
	world_map(&w, FROM, 1);
	world_fill(&w, 0, NPAGES + 1, 1);
	CHECK_EQ(uhmm_migrate(w.u, world_at(0), (NPAGES + 1) * PAGE, dev),
		 NPAGES + 1);
	w.ops->untrack = untrack_beside_remap;
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), NPAGES * PAGE), 0);
	CHECK(nr_untracks > 2);
	w.ops->untrack = w.orig->untrack;
	world_verify_as(&w, 0, 1, FROM, 1);
	world_verify(&w, 1, NPAGES - 1, 1);
	CHECK(!is_managed(FAKE_BASE, FAKE_BASE + PAGE));
	close_world();
}

int main(void)
{
	test_one_step();
	test_migrate();
	test_register();
	test_counted();
	test_pin();
	test_discarded_before();
	test_discarded_late();
	test_remapped();
	return 0;
}
