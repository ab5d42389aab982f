// SPDX-License-Identifier: MIT
/*
 * The frame pool: bare slots are bare, stock is found again, counted, bounded
 * and given back.
 */
#include "world.h"

static uint64_t pages(struct uhmm *u)
{
	return atomic_load(&u->slots.pages);
}

static uint32_t get_bare(struct uhmm *u)
{
	struct mm_set all;

	memset(&all, 0xff, sizeof(all));
	return slot_get_empty(u, &all);
}

static void test_bare(void)
{
	struct world w = world_open(NULL);
	uint32_t a = get_bare(w.u), b = get_bare(w.u);

	CHECK(a != NO_SLOT && b != NO_SLOT && a != b);
	CHECK_EQ(slot_va(w.u, b) % MM_BLOCK_SIZE, 0);
	CHECK(set_empty(&slot_of(w.u, a)->stock));
	slot_put(w.u, a);
	slot_put(w.u, b);
	CHECK_EQ(get_bare(w.u), a); /* first in, first out */
	CHECK_EQ(get_bare(w.u), b);
	slot_put(w.u, a);
	slot_put(w.u, b);
	CHECK_EQ(pages(w.u), 0);
	world_close(&w);
}

static void stock(struct uhmm *u, uint32_t slot, unsigned first, unsigned last)
{
	memset((char *)slot_va(u, slot) + first * PAGE, 's',
	       (last - first) * PAGE);
	set_add_run(&slot_of(u, slot)->stock, first, last);
}

static void test_stock(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_bare(u);
	struct mm_set want;

	set_clear(&want);
	set_add_run(&want, 0, 150);
	stock(u, a, 0, 100);
	slot_put(u, a);
	CHECK_EQ(pages(u), 100);
	CHECK(slot_get(u, &want, true) == NO_SLOT); /* no huge one */
	CHECK(get_bare(u) != a);
	CHECK_EQ(slot_get(u, &want, false), a);
	CHECK_EQ(pages(u), 0);
	slot_put(u, a);
	set_add_run(&want, 150, 400); /* less than half would be there */
	CHECK(slot_get(u, &want, false) != a);
	CHECK_EQ(pages(u), 100);
	slot_trim(u, 99);
	CHECK_EQ(pages(u), 0);
	CHECK_EQ(*(char *)slot_va(u, a), 0);
	CHECK_EQ(uhmm_close(u), 0);
}

static void test_huge(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_bare(u), b;
	struct mm_set all;

	memset(&all, 0xff, sizeof(all));
	stock(u, a, 0, MM_BLOCK_PAGES);
	slot_of(u, a)->huge = true;
	slot_put(u, a);
	b = slot_get(u, &all, false);
	CHECK(b != a && b != NO_SLOT);
	slot_put(u, b);
	CHECK_EQ(slot_get(u, &all, true), a);
	set_del(&slot_of(u, a)->stock, 3); /* no longer whole */
	slot_put(u, a);
	CHECK(slot_get(u, &all, true) == NO_SLOT);
	CHECK_EQ(pages(u), MM_BLOCK_PAGES - 1);
	slot_trim(u, 0);
	world_close(&w);
}

static void test_bounds(void)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .pool_limit = 100 * PAGE };
	struct world w = world_open(&params);
	struct uhmm *u = w.u;
	uint32_t a = get_bare(u), b = get_bare(u);

	stock(u, a, 0, 60);
	stock(u, b, 0, 60);
	slot_put(u, a);
	slot_put(u, b); /* would be too many: the older ones go */
	CHECK_EQ(pages(u), 60);
	CHECK_EQ(*(char *)slot_va(u, a), 0);
	CHECK(set_empty(&slot_of(u, a)->stock));
	world_close(&w);

	params.flags = UHMM_OPEN_NO_RECYCLE;
	w = world_open(&params);
	a = get_bare(w.u);
	stock(w.u, a, 0, 1);
	slot_put(w.u, a);
	CHECK_EQ(pages(w.u), 0);
	world_close(&w);
}

/* Slots with a few pages take more of them, at other offsets. */
static void test_thin(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_bare(u), b;
	struct mm_set want;

	set_clear(&want);
	set_add(&want, 7);
	stock(u, a, 3, 5);
	slot_put(u, a);
	CHECK_EQ(slot_get_empty(u, &want), a);
	slot_put(u, a);
	set_add(&want, 4); /* taken */
	b = slot_get_empty(u, &want);
	CHECK(b != a);
	slot_put(u, b);
	world_close(&w);
}

/* Out of slots is an answer, not an end. */
static void test_exhausted(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t used = u->slots.nr_used, a;

	a = get_bare(u);
	used = u->slots.nr_used;
	u->slots.nr_used = MAX_SLOTS;
	CHECK(get_bare(u) == NO_SLOT);
	slot_put(u, a);
	CHECK_EQ(get_bare(u), a);
	slot_put(u, a);
	u->slots.nr_used = used;
	world_close(&w);
}

int main(void)
{
	test_bare();
	test_stock();
	test_huge();
	test_thin();
	test_bounds();
	test_exhausted();
	return 0;
}
