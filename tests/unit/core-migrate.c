// SPDX-License-Identifier: MIT
/*
 * Pages go to a device and come home with their data, as many as can; for each
 * that does not there is a reason, and errors change nothing.
 */
#include "world.h"

#define BLOCK MM_BLOCK_PAGES

static const char *rung; /* features_off */
static enum store_kind kind;

static struct world setup(size_t npages)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung };
	struct world w = world_open(&params);

	if (npages)
		world_map(&w, 0, npages);
	return w;
}

static uint64_t kept_of(struct world *w)
{
	return world_stats(w).unwritten;
}

/* Everything in the middle of two mappings' blocks: out, home, out, touch. */
static void test_round_trip(void)
{
	struct world w = setup(3 * BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, 2000);
	size_t first = 100, n = 2 * BLOCK + 17;

	world_fill(&w, 0, 3 * BLOCK, 1);
	CHECK_EQ(world_move(&w, first, n, dev), n);
	world_check(&w);
	for (size_t i = 0; i < 3 * BLOCK; i++)
		CHECK_EQ(world_state(&w, i),
			 i >= first && i < first + n ? P_DEVICE : P_RAM);
	CHECK_EQ(device_used(dev), n);
	CHECK_EQ(world_move(&w, first, n, dev), n); /* it is there */
	CHECK_EQ(world_move(&w, first, n, NULL), n);
	world_check(&w);
	CHECK_EQ(device_used(dev), 0);
	CHECK_EQ(world_stats(&w).to_device, n);
	CHECK_EQ(kept_of(&w), kind == STORE_TELLS && !rung ? n : 0);
	CHECK_EQ(world_stats(&w).to_ram + kept_of(&w), n);
	CHECK_EQ(world_stats(&w).faults, 0);
	world_verify(&w, 0, 3 * BLOCK, 1);
	CHECK_EQ(world_stats(&w).faults, 0);
	CHECK_EQ(world_move(&w, 0, 3 * BLOCK, dev), 3 * BLOCK);
	world_verify(&w, 0, 3 * BLOCK, 1);
	world_check(&w);
	CHECK_EQ(device_used(dev), 0);
	CHECK(world_stats(&w).faults > 0);
	world_close(&w);
	CHECK(s.is_released);
}

/* All slots are in use: what has to come home does so without. */
static void test_no_slots(void)
{
	struct world w = setup(2 * BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, 2 * BLOCK);
	static uint32_t taken[MAX_SLOTS + 1];
	unsigned n = 0;
	struct mm_set all;

	memset(&all, 0xff, sizeof(all));
	world_fill(&w, 0, 2 * BLOCK, 1);
	CHECK_EQ(world_move(&w, 0, 2 * BLOCK, dev), 2 * BLOCK);
	while ((taken[n] = slot_get_empty(w.u, &all)) != NO_SLOT)
		n++;
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), 2 * BLOCK * PAGE), 0);
	CHECK_EQ(device_used(dev), 0);
	while (n)
		slot_put(w.u, taken[--n]);
	world_verify(&w, 0, 2 * BLOCK, 1);
	world_close(&w);
}

/* One page at a time, in an order that is no stream. */
static void test_scattered(void)
{
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);

	world_fill(&w, 0, BLOCK, 2);
	for (size_t i = 0; i < BLOCK; i += 2)
		CHECK_EQ(world_move(&w, (i * 3) % BLOCK, 1, dev), 1);
	world_check(&w);
	CHECK_EQ(device_used(dev), BLOCK / 2);
	for (size_t i = 0; i < BLOCK; i++)
		world_verify(&w, (i * 5) % BLOCK, 1, 2);
	world_check(&w);
	CHECK_EQ(device_used(dev), 0);
	world_close(&w);
}

/* Pages never touched are zeroes on the device, and nothing is copied. */
static void test_holes(void)
{
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);

	world_fill(&w, 10, 5, 3);
	CHECK_EQ(world_move(&w, 0, BLOCK, dev), BLOCK);
	CHECK_EQ(world_stats(&w).to_device, 5);
	CHECK_EQ(device_used(dev), BLOCK);
	world_verify(&w, 10, 5, 3);
	world_verify_zero(&w, 0, 10);
	world_verify_zero(&w, 15, BLOCK - 15);
	world_check(&w);
	world_close(&w);
}

/* Not when room in RAM is wanted, which nothing takes none of. */
static void test_holes_stay(void)
{
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);
	struct block *b = block_get(w.u, (uintptr_t)world_at(0));
	struct mm_set all;

	world_fill(&w, 0, 100, 3);
	CHECK_EQ(uhmm_register(w.u, world_at(0), BLOCK * PAGE), 0);
	memset(&all, 0xff, sizeof(all));
	for (int round = 0; round < 2; round++) { /* unknown, and known */
		sys_mutex_lock(&b->mover);
		CHECK_EQ(out_block(w.u, b, &all, dev, OUT_EVICT, NULL),
			 round ? 0 : 100);
		sys_mutex_unlock(&b->mover);
		CHECK_EQ(device_used(dev), 100);
		world_check(&w);
	}
	world_verify(&w, 0, 100, 3);
	world_verify_zero(&w, 100, BLOCK - 100);
	world_close(&w);
}

static void test_no_room(void)
{
	struct world w = setup(2 * BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, 700);
	uint8_t why[2 * BLOCK];
	size_t room = 0;

	world_fill(&w, 0, 2 * BLOCK, 4);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), sizeof(why) * PAGE, dev,
				  why),
		 700);
	for (size_t i = 0; i < 2 * BLOCK; i++)
		room += why[i] == UHMM_WHY_NO_ROOM;
	CHECK_EQ(room, 2 * BLOCK - 700);
	world_check(&w);
	CHECK_EQ(world_move(&w, 0, 2 * BLOCK, dev), 700);
	world_verify(&w, 0, 2 * BLOCK, 4);
	world_close(&w);
}

static void test_reasons(void)
{
	static const struct {
		unsigned mark;
		enum uhmm_why why;
	} mark[] = {
		{ FAKE_PINNED, UHMM_WHY_PINNED },
		{ FAKE_SHARED, UHMM_WHY_SHARED },
		{ FAKE_LOCKED, UHMM_WHY_LOCKED },
		{ FAKE_READONLY, UHMM_WHY_OK },
	};
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);
	uint8_t why[BLOCK];

	world_fill(&w, 0, BLOCK, 5);
	for (size_t i = 0; i < 4; i++)
		fake_mark(w.mm, (uintptr_t)world_at(i),
			  (uintptr_t)world_at(i + 1), mark[i].mark, true);
	CHECK_EQ(uhmm_pin(w.u, world_at(4), PAGE), 0);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), BLOCK * PAGE, dev, why),
		 BLOCK - 4);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(why[i], mark[i].why);
	CHECK_EQ(why[4], UHMM_WHY_PINNED);
	CHECK_EQ(why[5], UHMM_WHY_OK);
	CHECK_EQ(world_stats(&w).refused, 4);
	world_check(&w);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), 5 * PAGE, NULL, why), 5);
	world_verify(&w, 0, BLOCK, 5);
	world_close(&w);
}

/* Locked while its mapping moves: it goes back. */
static void test_locked_late(void)
{
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);
	uint8_t why[BLOCK];

	if (!rung) { /* MOVE sees it */
		world_close(&w);
		return;
	}
	world_fill(&w, 0, BLOCK, 5);
	fake_mark(w.mm, (uintptr_t)world_at(0), (uintptr_t)world_at(1),
		  FAKE_LOCKS, true);
	for (int again = 0; again < 2; again++) {
		CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), BLOCK * PAGE, dev,
					  why),
			 BLOCK - 1);
		CHECK_EQ(why[0], UHMM_WHY_LOCKED);
		CHECK_EQ(world_state(&w, 0), P_RAM);
		world_check(&w);
	}
	world_verify(&w, 0, BLOCK, 5);
	world_close(&w);
}

static void test_other_device(void)
{
	struct world w = setup(BLOCK);
	struct store s[2];
	struct uhmm_device *a = store_add(w.u, &s[0], kind, BLOCK);
	struct uhmm_device *b = store_add(w.u, &s[1], kind, 300);

	world_fill(&w, 0, BLOCK, 6);
	CHECK_EQ(world_move(&w, 0, BLOCK, a), BLOCK);
	CHECK_EQ(world_move(&w, 0, 400, b), 300);
	world_check(&w);
	CHECK_EQ(device_used(b), 300);
	CHECK_EQ(world_move(&w, 100, BLOCK - 100, a), BLOCK - 100);
	CHECK_EQ(device_used(b), 100);
	CHECK_EQ(device_used(a), BLOCK - 100);
	CHECK_EQ(world_move(&w, 0, BLOCK, NULL), BLOCK);
	world_check(&w);
	world_verify(&w, 0, BLOCK, 6);
	world_close(&w);
}

/* Parts that cannot be managed, and those that cannot at all. */
static void test_unmanaged(void)
{
	struct world w = setup(100);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);
	uint8_t why[120];

	world_fill(&w, 0, 100, 7);
	CHECK_EQ(fake_map(w.mm, (uintptr_t)world_at(100),
			  (uintptr_t)world_at(110), MM_UNSUPPORTED),
		 0);
	world_map(&w, 110, 10);
	fake_mark(w.mm, (uintptr_t)world_at(110), (uintptr_t)world_at(120),
		  FAKE_FOREIGN, true);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), 120 * PAGE, dev, why), 100);
	for (size_t i = 0; i < 120; i++)
		CHECK_EQ(why[i], i < 100 ? UHMM_WHY_OK :
				 i < 110 ? UHMM_WHY_UNSUPPORTED :
					   UHMM_WHY_FOREIGN);
	CHECK_EQ(world_move(&w, 100, 10, dev), -EOPNOTSUPP);
	CHECK_EQ(world_move(&w, 110, 10, dev), -EBUSY);
	CHECK_EQ(world_move(&w, 110, 11, dev), -ENOMEM);
	CHECK_EQ(world_move(&w, 200, 1, dev), -ENOMEM);
	CHECK_EQ(uhmm_register(w.u, world_at(0), 101 * PAGE), -EOPNOTSUPP);
	CHECK_EQ(uhmm_register(w.u, world_at(110), 10 * PAGE), -EBUSY);
	CHECK_EQ(uhmm_register(w.u, world_at(119), 2 * PAGE), -ENOMEM);
	world_check(&w);
	world_verify(&w, 0, 100, 7);
	world_close(&w);
}

static void test_arguments(void)
{
	struct world w = setup(10), other = setup(10);
	struct uhmm_device *dev, *foreign;
	struct store s[2];
	uhmm_pfn_t pfn;

	dev = store_add(w.u, &s[0], kind, 10);
	foreign = store_add(other.u, &s[1], kind, 10);
	CHECK_EQ(world_move(&w, 0, 0, dev), -EINVAL);
	CHECK_EQ(world_move(&w, 0, 1, foreign), -EINVAL);
	CHECK_EQ(uhmm_migrate(w.u, (char *)world_at(0) + 1, PAGE, dev),
		 -EINVAL);
	CHECK_EQ(uhmm_migrate(w.u, world_at(0), PAGE + 1, dev), -EINVAL);
	CHECK_EQ(uhmm_migrate(w.u, (void *)-PAGE, 2 * PAGE, dev), -EINVAL);
	CHECK_EQ(uhmm_migrate(NULL, world_at(0), PAGE, dev), -EINVAL);
	CHECK_EQ(uhmm_snapshot(w.u, world_at(0), PAGE, NULL), -EINVAL);
	CHECK_EQ(uhmm_snapshot(w.u, world_at(10), PAGE, &pfn), -ENOMEM);
	CHECK_EQ(uhmm_set_ram_limit(w.u, 1), -EINVAL);
	CHECK_EQ(uhmm_unpin(w.u, world_at(0), PAGE), -EINVAL);
	CHECK_EQ(uhmm_close(NULL), 0);
	CHECK_EQ(uhmm_device_remove(NULL), 0);
	world_close(&w);
	world_close(&other);
}

/* Move the same pages again and again. */
static void test_again(void)
{
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);

	for (unsigned i = 0; i < 10; i++) {
		world_fill(&w, 0, BLOCK, i);
		CHECK_EQ(world_move(&w, 0, BLOCK, dev), BLOCK);
		if (i % 2)
			CHECK_EQ(world_move(&w, 0, BLOCK, NULL), BLOCK);
		world_verify(&w, 0, BLOCK, i);
		world_check(&w);
	}
	world_close(&w);
}

static void test_unregister(void)
{
	struct world w = setup(BLOCK);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, kind, BLOCK);

	world_fill(&w, 0, BLOCK, 8);
	CHECK_EQ(world_move(&w, 0, BLOCK, dev), BLOCK);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), 100 * PAGE), 0);
	CHECK(!fake_is_tracked(w.mm, FAKE_BASE));
	CHECK(fake_is_tracked(w.mm, FAKE_BASE + 100 * PAGE));
	CHECK_EQ(device_used(dev), BLOCK - 100);
	world_check(&w);
	world_verify(&w, 0, BLOCK, 8);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), BLOCK * PAGE), 0);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), BLOCK * PAGE), 0);
	CHECK_EQ(world_move(&w, 0, BLOCK, dev), BLOCK);
	CHECK_EQ(uhmm_pin(w.u, world_at(7), PAGE), 0);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), BLOCK * PAGE), -EBUSY);
	CHECK_EQ(uhmm_unpin(w.u, world_at(7), PAGE), 0);
	world_verify(&w, 0, BLOCK, 8);
	world_close(&w);
}

static void run_all(void)
{
	test_round_trip();
	test_no_slots();
	test_scattered();
	test_holes();
	test_holes_stay();
	test_no_room();
	test_reasons();
	test_locked_late();
	test_other_device();
	test_unmanaged();
	test_arguments();
	test_again();
	test_unregister();
}

int main(void)
{
	for (int k = STORE_PLAIN; k <= STORE_FAST; k++) {
		kind = (enum store_kind)k;
		rung = NULL;
		run_all();
		rung = "move";
		run_all();
	}
	return 0;
}
