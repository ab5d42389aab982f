// SPDX-License-Identifier: MIT
/*
 * A discard where no page has ever moved is remembered until the kernel has
 * emptied the range: a move that begins in between takes nothing of it.
 */
#include "world.h"

#define NRANGES (2 * DROPPED_RANGES) /* in a block each, with one between */
#define NPAGES	(2 * NRANGES * MM_BLOCK_PAGES)

static struct world w;

static size_t page_of(size_t range)
{
	return 2 * range * MM_BLOCK_PAGES + range;
}

/* The event, of which the kernel goes on to empty the range. */
static void tell(size_t page, size_t n)
{
	const struct mm_client *c = w.u->mm->client;

	c->discard(c->priv, (uintptr_t)world_at(page),
		   (uintptr_t)world_at(page + n));
}

/* As a mover finds it. */
static enum page_state found(size_t page)
{
	struct block *b = block_get(w.u, (uintptr_t)world_at(page));
	enum page_state s;

	CHECK(b);
	block_lock(b);
	CHECK_EQ(block_ensure_table(w.u, b), 0);
	s = page_state(block_word(b, page % MM_BLOCK_PAGES));
	block_unlock(w.u, b);
	return s;
}

static void setup(void)
{
	w = world_open(NULL);
	world_map(&w, 0, NPAGES);
	CHECK_EQ(uhmm_register(w.u, (void *)world_at(0), NPAGES * PAGE), 0);
}

static void test_one(void)
{
	setup();
	tell(10, 5);
	CHECK_EQ(found(9), P_RAM);
	for (size_t i = 10; i < 15; i++)
		CHECK_EQ(found(i), P_DROPPED);
	CHECK_EQ(found(15), P_RAM);
	world_close(&w);
}

static void test_across(void)
{
	setup();
	tell(MM_BLOCK_PAGES - 1, 2);
	CHECK_EQ(found(MM_BLOCK_PAGES), P_DROPPED);
	CHECK_EQ(found(MM_BLOCK_PAGES + 1), P_RAM);
	CHECK_EQ(found(MM_BLOCK_PAGES - 1), P_DROPPED);
	world_close(&w);
}

/* More than can be told apart: none is forgotten. */
static void test_many(void)
{
	setup();
	for (size_t k = 0; k < NRANGES; k++)
		tell(page_of(k), 1);
	for (size_t k = 0; k < NRANGES; k++)
		CHECK_EQ(found(page_of(k)), P_DROPPED);
	world_close(&w);
}

/* Ranges that touch are one. */
static void test_row(void)
{
	setup();
	for (size_t k = 0; k < NRANGES; k++)
		tell(NRANGES - 1 - k, 1);
	for (size_t k = 0; k < NRANGES; k++)
		CHECK_EQ(found(k), P_DROPPED);
	CHECK_EQ(found(NRANGES), P_RAM);
	world_close(&w);
}

/* Pages that were filled again in the meantime go all the same. */
static void test_filled_again(void)
{
	struct store s = { 0 };
	struct uhmm_device *dev;

	setup();
	dev = store_add(w.u, &s, STORE_PLAIN, MM_BLOCK_PAGES);
	world_fill(&w, 0, 4, 1);
	tell(1, 2);
	CHECK_EQ(world_move(&w, 0, 4, dev), 4);
	world_verify(&w, 0, 4, 1);
	world_close(&w);
}

int main(void)
{
	test_one();
	test_across();
	test_many();
	test_row();
	test_filled_again();
	return 0;
}
