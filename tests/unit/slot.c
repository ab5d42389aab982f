// SPDX-License-Identifier: MIT
/*
 * The frame pool: what must be empty is empty, stock is found again, counted,
 * bounded and given back.
 */
#include "world.h"

static uint64_t pages(struct uhmm *u)
{
	return atomic_load(&u->slots.pages);
}

static struct mm_set run(unsigned first, unsigned last)
{
	struct mm_set s;

	set_clear(&s);
	set_add_run(&s, first, last);
	return s;
}

/* A slot for pages [first, last), of which nothing is there. */
static uint32_t get_empty(struct uhmm *u, unsigned first, unsigned last)
{
	struct mm_set want = run(first, last), there;
	uint32_t slot = slot_get_empty(u, &want);

	CHECK(slot != NO_SLOT);
	there = set_and(&slot_of(u, slot)->stock, &want);
	CHECK(set_empty(&there));
	for (unsigned i = first; i < last; i++)
		CHECK_EQ(*(char *)(slot_va(u, slot) + i * PAGE), 0);
	return slot;
}

static void stock(struct uhmm *u, uint32_t slot, unsigned first, unsigned last)
{
	memset((char *)slot_va(u, slot) + first * PAGE, 's',
	       (last - first) * PAGE);
	set_add_run(&slot_of(u, slot)->stock, first, last);
}

static void test_bare(void)
{
	struct world w = world_open(NULL);
	uint32_t a = get_empty(w.u, 0, 512), b = get_empty(w.u, 0, 512);

	CHECK(a != b);
	CHECK_EQ(slot_va(w.u, b) % MM_BLOCK_SIZE, 0);
	CHECK(set_empty(&slot_of(w.u, a)->stock));
	slot_put(w.u, a);
	slot_put(w.u, b);
	CHECK_EQ(get_empty(w.u, 0, 512), a); /* first in, first out */
	CHECK_EQ(get_empty(w.u, 0, 512), b);
	slot_put(w.u, a);
	slot_put(w.u, b);
	CHECK_EQ(pages(w.u), 0);
	world_close(&w);
}

static void test_stock(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_empty(u, 0, 512), b;
	struct mm_set want = run(0, 200);

	stock(u, a, 0, 100);
	slot_put(u, a);
	CHECK_EQ(pages(u), 100);
	CHECK(slot_get_huge(u) == NO_SLOT);
	CHECK_EQ(slot_get(u, &want), a);
	CHECK_EQ(pages(u), 0);
	slot_put(u, a);
	want = run(0, 400); /* less than half would be there */
	b = slot_get(u, &want);
	CHECK(b != a && b != NO_SLOT);
	slot_put(u, b);
	CHECK_EQ(pages(u), 100);
	slot_trim(u, 99);
	CHECK_EQ(pages(u), 0);
	CHECK_EQ(*(char *)slot_va(u, a), 0);
	world_close(&w);
}

/* Single pages, one after another, share a slot. */
static void test_thin(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_empty(u, 0, 1), b;

	stock(u, a, 0, 1);
	slot_put(u, a);
	for (unsigned i = 1; i < 20; i++) {
		b = get_empty(u, i, i + 1);
		CHECK_EQ(b, a);
		stock(u, b, i, i + 1);
		slot_put(u, b);
	}
	CHECK_EQ(pages(u), 20);
	b = get_empty(u, 5, 6); /* taken there */
	slot_put(u, b);
	slot_trim(u, 0);
	CHECK_EQ(pages(u), 0);
	world_close(&w);
}

static void test_huge(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_empty(u, 0, 512), b;
	struct mm_set all = run(0, 512);

	stock(u, a, 0, MM_BLOCK_PAGES);
	slot_of(u, a)->huge = true;
	slot_put(u, a);
	b = slot_get(u, &all);
	CHECK(b != a && b != NO_SLOT);
	slot_put(u, b);
	CHECK_EQ(slot_get_huge(u), a);
	set_del(&slot_of(u, a)->stock, 3); /* no longer whole */
	slot_put(u, a);
	CHECK(slot_get_huge(u) == NO_SLOT);
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
	uint32_t a = get_empty(u, 0, 512), b = get_empty(u, 0, 512);

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
	a = get_empty(w.u, 0, 1);
	stock(w.u, a, 0, 1);
	slot_put(w.u, a);
	CHECK_EQ(pages(w.u), 0);
	world_close(&w);
}

/*
 * Out of bare slots: one with stock serves, emptied.  Out of all: an answer,
 * not an end.
 */
static void test_exhausted(void)
{
	struct world w = world_open(NULL);
	struct uhmm *u = w.u;
	uint32_t a = get_empty(u, 0, 512), used = u->slots.nr_used;
	struct mm_set want = run(0, 512);

	u->slots.nr_used = MAX_SLOTS;
	CHECK(slot_get_empty(u, &want) == NO_SLOT);
	CHECK(slot_get(u, &want) == NO_SLOT);
	stock(u, a, 0, 300);
	slot_put(u, a);
	CHECK_EQ(get_empty(u, 0, 512), a);
	CHECK_EQ(pages(u), 0);
	slot_put(u, a);
	u->slots.nr_used = used;
	world_close(&w);
}

int main(void)
{
	test_bare();
	test_stock();
	test_thin();
	test_huge();
	test_bounds();
	test_exhausted();
	return 0;
}
