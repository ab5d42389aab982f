// SPDX-License-Identifier: MIT
/*
 * Where writes go unseen, pages that come home for a read leave again without a
 * copy if they are the same, and with one if a single bit is not.  The device
 * pages that they keep meanwhile are nobody's burden: they go with the page,
 * the device, and when the device has no room for others.
 */
#include "core/fork/gate.h"
#include "core/page/twin.h"
#include "world.h"

#define N      40
#define ROOM   200
#define LIMIT  64
#define BITS   (PAGE * 8)
#define A_PAGE 7 /* is treated differently */

struct scene {
	struct world w;
	struct store s;
	struct uhmm_device *dev;
};

static uint64_t nr_twins(const struct scene *c)
{
	return (uint64_t)atomic_load(&c->dev->twins);
}

/* Backwards, so that it is no stream. */
static void read_home(struct scene *c, unsigned salt)
{
	for (size_t i = 0; i < N; i++)
		world_verify(&c->w, N - 1 - i, 1, salt);
}

/* N pages are in RAM, each with its twin. */
static void scene_open(struct scene *c, uint64_t room)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .fault_mode = UHMM_FAULTS_INLINE };

	c->w = world_open(&params);
	c->dev = store_add(c->w.u, &c->s, STORE_SLOW, room);
	world_set_limit(&c->w, LIMIT);
	world_map(&c->w, 0, MM_BLOCK_PAGES);
	world_fill(&c->w, 0, N, 1);
	CHECK_EQ(world_move(&c->w, 0, N, c->dev), N);
	read_home(c, 1);
	CHECK_EQ(nr_twins(c), N);
	CHECK_EQ(device_used(c->dev), N);
	world_check(&c->w);
}

static void scene_close(struct scene *c)
{
	world_close(&c->w);
	CHECK(atomic_load(&c->s.is_released));
}

static void demote_all(struct scene *c)
{
	struct block *b = block_find(c->w.u, FAKE_BASE);
	struct mm_set all;

	set_fill(&all);
	CHECK(world_park(&c->w, 0) > 0);
	gate_enter(c->w.u);
	block_take_mover(c->w.u, b);
	CHECK_EQ(out_block(c->w.u, b, &all, c->dev, OUT_DEMOTE, NULL), N);
	block_let_go(c->w.u, b);
	gate_leave(c->w.u);
}

/* All of them leave.  Return: how many were copied. */
static uint64_t leave(struct scene *c)
{
	struct uhmm_stats s = world_stats(&c->w);
	uint64_t copied;

	demote_all(c);
	copied = world_stats(&c->w).to_device - s.to_device;
	CHECK_EQ(world_stats(&c->w).unchanged - s.unchanged, N - copied);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(world_state(&c->w, i), P_DEVICE);
	CHECK_EQ(nr_twins(c), 0);
	CHECK_EQ(device_used(c->dev), N);
	world_check(&c->w);
	return copied;
}

/* ---- Leaving ------------------------------------------------------------ */

static void test_same(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	for (int round = 0; round < 3; round++) {
		atomic_store(&c.s.broken[STORE_IN], true);
		CHECK_EQ(leave(&c), 0);
		atomic_store(&c.s.broken[STORE_IN], false);
		read_home(&c, 1);
		CHECK_EQ(nr_twins(&c), N);
	}
	scene_close(&c);
}

static void flip(struct scene *c, size_t page, size_t bit)
{
	uintptr_t at = (uintptr_t)world_at(page) + bit / 8;
	unsigned char byte;

	CHECK_EQ(fake_cpu_read(c->w.mm, at, &byte, 1), 0);
	byte ^= (unsigned char)(1u << bit % 8);
	CHECK_EQ(fake_cpu_write(c->w.mm, at, &byte, 1), 0);
}

static void test_bit(size_t bit)
{
	unsigned char want[PAGE], got[PAGE];
	struct scene c;

	scene_open(&c, ROOM);
	flip(&c, A_PAGE, bit);
	CHECK_EQ(leave(&c), 1);
	world_pattern(want, A_PAGE, 1);
	want[bit / 8] ^= (unsigned char)(1u << bit % 8);
	CHECK_EQ(fake_cpu_read(c.w.mm, (uintptr_t)world_at(A_PAGE), got, PAGE),
		 0);
	CHECK_MEM(got, want, PAGE);
	flip(&c, A_PAGE, bit);
	read_home(&c, 1);
	scene_close(&c);
}

static void test_all_changed(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	world_fill(&c.w, 0, N, 2);
	CHECK_EQ(leave(&c), N);
	read_home(&c, 2);
	scene_close(&c);
}

/* A page that comes home for a write has no twin. */
static void test_write(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	leave(&c);
	world_fill(&c.w, A_PAGE, 1, 2);
	CHECK_EQ(nr_twins(&c), 0);
	CHECK_EQ(device_used(c.dev), N - 1);
	scene_close(&c);
}

/* To another device: its twin is of no use there. */
static void test_elsewhere(void)
{
	struct uhmm_device *other;
	struct store store;
	struct scene c;

	scene_open(&c, ROOM);
	other = store_add(c.w.u, &store, STORE_PLAIN, ROOM);
	CHECK_EQ(world_move(&c.w, 0, N, other), N);
	CHECK_EQ(device_used(c.dev), 0);
	CHECK_EQ(device_used(other), N);
	read_home(&c, 1);
	scene_close(&c);
}

/* ---- Twins go ----------------------------------------------------------- */

static void test_gone(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	fake_discard(c.w.mm, (uintptr_t)world_at(0), (uintptr_t)world_at(4));
	CHECK_EQ(device_used(c.dev), N - 4);
	fake_munmap(c.w.mm, (uintptr_t)world_at(4), (uintptr_t)world_at(8));
	CHECK_EQ(device_used(c.dev), N - 8);
	CHECK_EQ(fake_mremap(c.w.mm, (uintptr_t)world_at(8),
			     (uintptr_t)world_at(MM_BLOCK_PAGES), 4 * PAGE),
		 0);
	world_check(&c.w);
	world_verify_as(&c.w, MM_BLOCK_PAGES, 4, 8, 1);
	CHECK_EQ(uhmm_unregister(c.w.u, world_at(12), 4 * PAGE), 0);
	world_check(&c.w);
	CHECK(device_used(c.dev) <= N - 12);
	world_verify(&c.w, 12, N - 12, 1);
	scene_close(&c);
}

static void test_removed(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	CHECK_EQ(uhmm_device_remove(c.dev), 0);
	CHECK(atomic_load(&c.s.is_released));
	world_verify(&c.w, 0, N, 1);
	world_close(&c.w);
}

static void test_lost(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	atomic_store(&c.s.is_lost, true);
	CHECK_EQ(uhmm_device_lost(c.dev), 0);
	CHECK_EQ(nr_twins(&c), 0);
	world_verify(&c.w, 0, N, 1);
	world_close(&c.w);
}

static void test_failed(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	CHECK_EQ(uhmm_device_failed(c.dev, 0, 10), 0);
	CHECK_EQ(nr_twins(&c), N - 10);
	CHECK_EQ(leave(&c), 10);
	read_home(&c, 1);
	scene_close(&c);
}

/* There is room for all of the device's pages, but not beside twins. */
static void test_room(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	world_fill(&c.w, N, ROOM, 1);
	CHECK_EQ(world_move(&c.w, N, ROOM, c.dev), ROOM);
	CHECK_EQ(nr_twins(&c), 0);
	world_verify(&c.w, 0, N + ROOM, 1);
	scene_close(&c);
}

/* With a limit on the device, or without one on RAM, there are none. */
static void test_limits(void)
{
	struct scene c;

	scene_open(&c, ROOM);
	leave(&c);
	CHECK_EQ(uhmm_group_set_limit(uhmm_group_root(c.w.u), c.dev,
				      ROOM * PAGE),
		 0);
	read_home(&c, 1);
	CHECK_EQ(nr_twins(&c), 0);
	CHECK_EQ(device_used(c.dev), 0);
	scene_close(&c);
}

/* Shrinks and grows: single pages of a whole block. */
static void test_table(uint64_t *seed)
{
	const size_t n = MM_BLOCK_PAGES;
	struct scene c;

	scene_open(&c, 4 * n);
	world_fill(&c.w, 0, n, 1);
	for (int round = 0; round < 20; round++) {
		CHECK_EQ(world_move(&c.w, 0, n, c.dev), n);
		for (size_t k = test_below(seed, n); k; k--)
			world_verify(&c.w, test_below(seed, n), 1, 1);
		for (size_t k = test_below(seed, n); k; k--) {
			size_t i = test_below(seed, n);

			world_fill(&c.w, i, 1, 1);
		}
		world_check(&c.w);
	}
	world_verify(&c.w, 0, n, 1);
	scene_close(&c);
}

int main(void)
{
	uint64_t seed = test_seed();

	test_same();
	test_bit(0);
	test_bit(BITS - 1);
	for (int i = 0; i < 8; i++)
		test_bit(test_below(&seed, BITS));
	test_all_changed();
	test_write();
	test_elsewhere();
	test_gone();
	test_removed();
	test_lost();
	test_failed();
	test_room();
	test_limits();
	test_table(&seed);
	return 0;
}
