// SPDX-License-Identifier: MIT
/*
 * A page that has lost its data never reads as zeroes, also when the page table
 * could not be changed at the time of the loss and uhmm no longer manages the
 * page.
 */
#include "world.h"

#define LOST 3

static struct world w;
static struct store s;
static struct uhmm_device *dev;
static int busy; /* calls of poison() that fail from now on */

static int poison_later(struct mm *mm, uintptr_t va, size_t npages)
{
	return busy-- > 0 ? -EAGAIN : w.orig->poison(mm, va, npages);
}

/* One page on a device that cannot be read any more. */
static void setup(void)
{
	struct uhmm_params params = { .size = sizeof(params) };

	w = world_open(&params);
	world_hold(&w);
	w.ops->poison = poison_later;
	world_map(&w, 0, 2 * LOST);
	world_fill(&w, 0, 2 * LOST, 1);
	dev = store_add(w.u, &s, STORE_PLAIN, 2 * LOST);
	CHECK_EQ(world_move(&w, LOST, 1, dev), 1);
	atomic_store(&s.broken[STORE_OUT], true);
	busy = 5;
}

static void finish(void)
{
	unsigned char byte;

	CHECK_EQ(busy, -1);
	CHECK_EQ(fake_cpu_read(w.mm, (uintptr_t)world_at(LOST), &byte, 1),
		 -EIO);
	world_let_go(&w);
}

static void test_unregister(void)
{
	setup();
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), 2 * LOST * PAGE), -EIO);
	CHECK_EQ(uhmm_close(w.u), 0);
	finish();
}

static void test_close(void)
{
	setup();
	CHECK_EQ(uhmm_close(w.u), -EIO);
	finish();
}

/* A touch found it, before; nobody touched it again. */
static void test_touched_once(void)
{
	unsigned char byte;

	setup();
	CHECK_EQ(fake_cpu_read(w.mm, (uintptr_t)world_at(LOST), &byte, 1),
		 -EIO);
	CHECK(busy > 0);
	CHECK_EQ(uhmm_close(w.u), 0);
	finish();
}

int main(void)
{
	test_unregister();
	test_close();
	test_touched_once();
	return 0;
}
