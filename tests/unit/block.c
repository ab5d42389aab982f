// SPDX-License-Identifier: MIT
/*
 * Blocks are found by address, their counters say what their words say, and
 * their tables exist only while they say something.
 */
#include "world.h"

static void test_find(void)
{
	static const uintptr_t addr[] = {
		0,
		MM_BLOCK_SIZE,
		((uintptr_t)1 << VA_BITS) - 1,
		(uintptr_t)1 << (VA_BITS - 1),
		FAKE_BASE,
		FAKE_BASE + MM_BLOCK_SIZE - 1,
	};
	struct world w = world_open(NULL);
	struct block *b;

	for (unsigned i = 0; i < 5; i++) {
		CHECK(!block_find(w.u, addr[i]));
		b = block_get(w.u, addr[i]);
		CHECK(b != NULL);
		CHECK_EQ(b->va, addr[i] & ~(MM_BLOCK_SIZE - 1));
		CHECK(block_find(w.u, addr[i]) == b);
		CHECK(w.u->blocks[b->index] == b);
	}
	CHECK(block_find(w.u, addr[5]) == b);
	CHECK(!block_find(w.u, (uintptr_t)1 << VA_BITS));
	CHECK(!block_get(w.u, UINTPTR_MAX));
	CHECK_EQ(atomic_load(&w.u->nr_blocks), 5);
	CHECK_EQ(uhmm_close(w.u), 0);
}

static void test_table(void)
{
	struct world w = world_open(NULL);
	struct block *b = block_get(w.u, FAKE_BASE);

	block_lock(b);
	CHECK(!b->table);
	CHECK_EQ(block_word(b, 5), 0);
	CHECK_EQ(block_ensure_table(w.u, b), 0);
	block_move_in(w.u, b, 5, P_EMPTY);
	block_unlock(w.u, b);
	CHECK(b->table != NULL);
	block_lock(b);
	CHECK_EQ(block_event(w.u, b, 5, E_FORGET), P_RAM);
	block_unlock(w.u, b);
	CHECK(!b->table);
	CHECK_EQ(uhmm_close(w.u), 0);
}

/* Words at random: the sums are those of the words. */
static void test_counters(uint64_t seed)
{
	struct world w = world_open(NULL);
	struct block *b = block_get(w.u, FAKE_BASE);
	int64_t ram, frozen, device;
	struct mm_set none;

	set_clear(&none);
	b->slot = slot_get(w.u, &none); /* some of the words are of frames */
	for (int i = 0; i < 3000; i++) {
		block_lock(b);
		CHECK_EQ(block_ensure_table(w.u, b), 0);
		for (int k = 0; k < 20; k++) {
			uint64_t word = test_below(&seed, P_NR_STATES);

			if (word == P_RAM && test_below(&seed, 2))
				word |= PAGE_CHARGED;
			if (word == P_RAM && !test_below(&seed, 4))
				word |= PAGE_PIN_ONE * 3;
			block_move_in(w.u, b, (unsigned)test_below(&seed, 512),
				      word);
		}
		block_unlock(w.u, b);
		ram = frozen = device = 0;
		for (unsigned k = 0; k < MM_BLOCK_PAGES; k++) {
			uint64_t word = block_word(b, k);

			ram += page_in_ram(word);
			frozen += page_state(word) == P_FROZEN ||
				  page_state(word) == P_LEAVING ||
				  page_state(word) == P_EXCLUSIVE ||
				  page_state(word) == P_REVOKING;
			device += page_state(word) == P_DEVICE ||
				  page_state(word) == P_COHERENT ||
				  page_state(word) == P_COMING;
		}
		CHECK_EQ(atomic_load(&w.u->ram), ram);
		CHECK_EQ(atomic_load(&w.u->frozen), frozen);
		CHECK_EQ(atomic_load(&w.u->on_device), device);
		CHECK_EQ(b->nr_charged, ram);
		CHECK(atomic_load(&w.u->ram_peak) >= ram);
	}
	block_lock(b);
	for (unsigned k = 0; k < MM_BLOCK_PAGES; k++)
		block_move_in(w.u, b, k, 0);
	block_unlock(w.u, b);
	CHECK_EQ(atomic_load(&w.u->ram), 0);
	CHECK(!b->table);
	CHECK_EQ(uhmm_close(w.u), 0);
}

/* Pins stay with the mapping, through being dropped and coming home. */
static void test_pins(void)
{
	struct world w = world_open(NULL);
	struct block *b = block_get(w.u, FAKE_BASE);

	block_lock(b);
	CHECK_EQ(block_ensure_table(w.u, b), 0);
	block_move_in(w.u, b, 0, P_RAM | PAGE_PIN_ONE * 2);
	CHECK_EQ(b->nr_pinned, 1);
	CHECK_EQ(block_event(w.u, b, 0, E_DISCARD), P_DROPPED);
	CHECK_EQ(page_pins(block_word(b, 0)), 2);
	block_home(w.u, b, 0, E_ZERO);
	CHECK_EQ(page_pins(block_word(b, 0)), 2);
	CHECK_EQ(b->nr_charged, 1);
	CHECK_EQ(block_event(w.u, b, 0, E_FORGET), P_RAM);
	CHECK_EQ(block_word(b, 0), 0);
	CHECK_EQ(b->nr_pinned, 0);
	block_unlock(w.u, b);
	CHECK_EQ(uhmm_close(w.u), 0);
}

int main(void)
{
	test_find();
	test_table();
	test_counters(test_seed());
	test_pins();
	return 0;
}
