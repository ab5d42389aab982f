// SPDX-License-Identifier: MIT
/*
 * Devices are tiers: pages leave RAM for the first one, and when it is full its
 * cold pages go down.
 */
#include "world.h"

#define B     ((size_t)MM_BLOCK_PAGES)
#define N     (4 * B) /* pages, the first of them are the coldest */
#define LIMIT (B / 2) /* pages in RAM */
#define MOST  1000    /* steps */

static struct world w;
static struct store s[3];
static struct uhmm_device *dev[3];

/* Devices of @sizes pages, the last one is 0; and N pages in RAM. */
static void setup(const char *rung, const size_t *sizes)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung };

	w = world_open(&params);
	for (int i = 0; sizes[i]; i++)
		dev[i] = store_add(w.u, &s[i], STORE_PLAIN, sizes[i]);
	world_map(&w, 0, N);
	CHECK_EQ(uhmm_register(w.u, world_at(0), N * PAGE), 0);
	world_set_limit(&w, LIMIT);
}

static void demote_all(void)
{
	struct uhmm_group *root = &w.u->charge.root;
	int steps = 0;

	while (charge_pages(root, 0) > charge_limit(root) && policy_step(w.u))
		CHECK(steps++ < MOST);
}

/* Block after block comes into use, and makes the others cold. */
static void fill_in_order(void)
{
	for (size_t at = 0; at < N; at += B) {
		world_fill(&w, at, B, 1);
		demote_all();
	}
}

static unsigned on(const struct uhmm_device *d, size_t page, size_t npages)
{
	unsigned n = 0;

	for (size_t i = page; i < page + npages; i++) {
		uint64_t word = world_word(&w, i);

		n += page_state(word) == P_DEVICE && page_dev(word) == d->id;
	}
	return n;
}

static void finish(void)
{
	world_check(&w);
	CHECK_EQ(uhmm_set_ram_limit(w.u, 0), 0);
	world_verify(&w, 0, N, 1);
	CHECK_EQ(world_move(&w, 0, N, NULL), N);
	world_close(&w);
}

/* The pages that left RAM last are on the fast device. */
static void test_cold_pages_sink(const char *rung)
{
	setup(rung, (const size_t[]){ B, 2 * N, 0 });
	fill_in_order();
	CHECK(world_stats(&w).ram_pages <= LIMIT);
	CHECK_EQ(on(dev[1], 0, B), B);
	CHECK_EQ(on(dev[0], 0, B), 0);
	CHECK(on(dev[0], N - B, B) + on(dev[0], N - 2 * B, B) >= B / 2);
	CHECK(world_stats(&w).sunk >= B);
	CHECK(world_stats(&w).sunk <= on(dev[1], 0, N));
	finish();
}

/* From the first device to the second, from there to the third. */
static void test_three(const char *rung)
{
	setup(rung, (const size_t[]){ B, B, 2 * N, 0 });
	fill_in_order();
	CHECK(world_stats(&w).ram_pages <= LIMIT);
	CHECK(device_used(dev[0]) > 0);
	CHECK(device_used(dev[1]) > 0);
	CHECK(device_used(dev[2]) > 0);
	CHECK_EQ(on(dev[0], 0, B), 0);
	finish();
}

/* A page that is touched comes to RAM, and takes no place on the way. */
static void test_comes_straight_home(const char *rung)
{
	size_t used;

	setup(rung, (const size_t[]){ B, 2 * N, 0 });
	fill_in_order();
	used = device_used(dev[0]);
	CHECK_EQ(on(dev[1], 0, 1), 1);
	world_fill(&w, 0, 1, 1);
	CHECK_EQ(world_state(&w, 0), P_RAM);
	CHECK_EQ(device_used(dev[0]), used);
	finish();
}

/* Pages that the device below refuses stay, and the steps end. */
static void test_below_refuses(const char *rung)
{
	setup(rung, (const size_t[]){ B, 2 * N, 0 });
	atomic_store(&s[1].broken[STORE_IN], true);
	fill_in_order();
	CHECK_EQ(device_used(dev[1]), 0);
	CHECK_EQ(world_stats(&w).sunk, 0);
	CHECK(device_used(dev[0]) > 0);
	world_verify(&w, 0, N, 1);
	atomic_store(&s[1].broken[STORE_IN], false);
	finish();
}

/* Pages that cannot be read from the full device stay there. */
static void test_above_fails(const char *rung)
{
	setup(rung, (const size_t[]){ B, 2 * N, 0 });
	world_fill(&w, 0, B, 1);
	CHECK_EQ(world_move(&w, 0, B, dev[0]), B);
	atomic_store(&s[0].broken[STORE_OUT], true);
	world_fill(&w, B, N - B, 1);
	demote_all();
	CHECK_EQ(on(dev[0], 0, B), B);
	CHECK(device_used(dev[1]) >= N - B - LIMIT);
	atomic_store(&s[0].broken[STORE_OUT], false);
	finish();
}

/* The device below is not blamed for what cannot be read. */
static void test_much_of_above_fails(const char *rung)
{
	setup(rung, (const size_t[]){ 2 * B, 2 * N, 0 });
	world_fill(&w, 0, 2 * B, 1);
	CHECK_EQ(world_move(&w, 0, 2 * B, dev[0]), 2 * B);
	atomic_store(&s[0].broken[STORE_OUT], true);
	world_fill(&w, 2 * B, 2 * B, 1);
	demote_all();
	CHECK_EQ(on(dev[0], 0, 2 * B), 2 * B);
	CHECK(device_used(dev[1]) >= 2 * B - LIMIT);
	atomic_store(&s[0].broken[STORE_OUT], false);
	finish();
}

/* However much has to sink, a step ends soon. */
static void test_much_too_full(const char *rung)
{
	uint64_t before, now;
	int steps = 0;

	setup(rung, (const size_t[]){ 2 * N, 2 * N, 0 });
	world_fill(&w, 0, N - B, 1);
	CHECK_EQ(world_move(&w, 0, N - B, dev[0]), N - B);
	CHECK_EQ(uhmm_group_set_limit(uhmm_group_root(w.u), dev[0], PAGE), 0);
	world_fill(&w, N - B, B, 1);
	do {
		before = device_used(dev[0]);
		CHECK(policy_step(w.u));
		now = device_used(dev[0]);
		CHECK(before - now <= 2 * B);
		CHECK(steps++ < MOST);
	} while (before == now);
	demote_all();
	CHECK(world_stats(&w).ram_pages <= LIMIT);
	finish();
}

static struct uhmm_device_ops small_ops;
static long refused;

/* A device that is full with B pages, whatever it said. */
static int take_few(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct store *store = priv;
	size_t n = 0;

	for (uint64_t i = 0; i < store->npages; i++)
		n += atomic_load(&store->full[i]);
	for (size_t i = 0; i < nr; i++)
		n += seg[i].npages;
	if (n > B) {
		refused++;
		return -ENOSPC;
	}
	return store_in(priv, seg, nr);
}

/* A device that is full sooner than it said is a tier as others. */
static void test_full_sooner(const char *rung)
{
	setup(rung, (const size_t[]){ 2 * N, 2 * N, 0 });
	small_ops = dev[0]->ops;
	small_ops.copy_to_devmem = take_few;
	dev[0]->ops = small_ops;
	refused = 0;
	fill_in_order();
	CHECK(world_stats(&w).ram_pages <= LIMIT);
	CHECK(on(dev[0], N - B, B) + on(dev[0], N - 2 * B, B) >= B / 2);
	CHECK_EQ(on(dev[0], 0, B), 0);
	CHECK(refused < 50);
	finish();
}

/* Where a group's limit is reached, pages of that group go. */
static void test_group(const char *rung)
{
	struct uhmm_group *a = NULL, *b = NULL;

	setup(rung, (const size_t[]){ 2 * N, 2 * N, 0 });
	CHECK_EQ(uhmm_group_create(w.u, NULL, "a", &a), 0);
	CHECK_EQ(uhmm_group_create(w.u, NULL, "b", &b), 0);
	CHECK_EQ(uhmm_charge(w.u, world_at(B), (N - B) * PAGE, b), 0);
	CHECK_EQ(uhmm_charge(w.u, world_at(0), B * PAGE, a), 0);
	world_fill(&w, 0, B, 1);
	CHECK_EQ(world_move(&w, 0, B, dev[0]), B);
	CHECK_EQ(uhmm_group_set_limit(b, dev[0], B * PAGE), 0);
	for (size_t at = B; at < N; at += B) {
		world_fill(&w, at, B, 1);
		demote_all();
	}
	CHECK_EQ(on(dev[0], 0, B), B);
	CHECK(on(dev[0], B, N - B) <= B);
	CHECK(on(dev[0], B, N - B) >= B / 2);
	CHECK_EQ(on(dev[0], B, B), 0);
	finish();
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_cold_pages_sink(rungs[i]);
		test_three(rungs[i]);
		test_comes_straight_home(rungs[i]);
		test_below_refuses(rungs[i]);
		test_above_fails(rungs[i]);
		test_much_of_above_fails(rungs[i]);
		test_much_too_full(rungs[i]);
		test_full_sooner(rungs[i]);
		test_group(rungs[i]);
	}
	return 0;
}
