// SPDX-License-Identifier: MIT
/*
 * Charge groups: each page is counted once, in RAM or on its device, in its
 * group and in all above; limits hold, and concern nobody else.
 */
#include "world.h"

#define N      64 /* pages in use of each block */
#define BLOCK  MM_BLOCK_PAGES
#define BLOCKS 3

static struct world w;
static struct store s[2];
static struct uhmm_device *dev[2];

static struct uhmm_group_info ask(struct uhmm_group *g, struct uhmm_device *d)
{
	struct uhmm_group_info info = { .size = sizeof(info) };

	CHECK_EQ(uhmm_group_query(g, d, &info), 0);
	return info;
}

static struct uhmm_group *group(struct uhmm_group *parent, const char *name)
{
	struct uhmm_group *g = NULL;

	CHECK_EQ(uhmm_group_create(w.u, parent, name, &g), 0);
	CHECK(!strcmp(ask(g, NULL).name, name));
	return g;
}

static void check_pages(struct uhmm_group *g, size_t ram, size_t first,
			size_t second)
{
	CHECK_EQ(ask(g, NULL).pages, ram);
	CHECK_EQ(ask(g, dev[0]).pages, first);
	CHECK_EQ(ask(g, dev[1]).pages, second);
	CHECK_EQ(ask(g, NULL).all_pages, ram + first + second);
}

static void setup(uint32_t charge, const char *rung)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung,
				      .pool_limit = PAGE,
				      .charge = charge };

	w = world_open(&params);
	for (int i = 0; i < 2; i++)
		dev[i] = store_add(w.u, &s[i], STORE_PLAIN, BLOCKS * BLOCK);
	world_map(&w, 0, BLOCKS * BLOCK);
}

static void put(size_t block, struct uhmm_group *g)
{
	CHECK_EQ(uhmm_charge(w.u, world_at(block * BLOCK), BLOCK * PAGE, g), 0);
}

static void unmap(size_t block)
{
	fake_munmap(w.mm, (uintptr_t)world_at(block * BLOCK),
		    (uintptr_t)world_at((block + 1) * BLOCK));
}

static void limit(struct uhmm_group *g, struct uhmm_device *d, size_t npages)
{
	struct policy *p = &w.u->policy;

	p->running = true; /* no thread: the test is the demoter */
	CHECK_EQ(uhmm_group_set_limit(g, d, npages * PAGE), 0);
	p->running = false;
	CHECK_EQ(ask(g, d).limit, npages * PAGE);
}

/* Backwards, so that it is no stream: no page more than those is touched. */
static void fill(size_t page, size_t n, unsigned salt)
{
	while (n--)
		world_fill(&w, page + n, 1, salt);
}

/* ---- Counting ---------------------------------------------------------- */

static void test_tree(const char *rung)
{
	struct uhmm_group *root, *a, *b, *c;

	setup(UHMM_CHARGE_TIER, rung);
	root = uhmm_group_root(w.u);
	a = group(NULL, "a");
	b = group(a, "b");
	c = group(a, "c");
	CHECK_EQ(ask(a, NULL).nr_children, 2);
	fill(0, N, 1); /* before it is put there, and after */
	put(0, b);
	put(1, c);
	fill(BLOCK, N, 1);
	CHECK_EQ(uhmm_register(w.u, world_at(2 * BLOCK), BLOCK * PAGE), 0);
	fill(2 * BLOCK, N, 1);
	check_pages(b, N, 0, 0);
	check_pages(c, N, 0, 0);
	check_pages(a, 2 * N, 0, 0);
	check_pages(root, 3 * N, 0, 0);

	CHECK_EQ(world_move(&w, 0, N, dev[0]), N);
	CHECK_EQ(world_move(&w, BLOCK, N / 2, dev[1]), N / 2);
	check_pages(b, 0, N, 0);
	check_pages(c, N / 2, 0, N / 2);
	check_pages(a, N / 2, N, N / 2);
	check_pages(root, 3 * N / 2, N, N / 2);
	CHECK_EQ(world_move(&w, 0, N, dev[1]), N);
	check_pages(b, 0, 0, N);
	check_pages(a, N / 2, 0, 3 * N / 2);

	put(0, c); /* to a sister: their parent sees nothing of it */
	check_pages(b, 0, 0, 0);
	check_pages(c, N / 2, 0, 3 * N / 2);
	check_pages(a, N / 2, 0, 3 * N / 2);
	put(0, NULL);
	check_pages(a, N / 2, 0, N / 2);
	world_verify(&w, 0, N, 1);
	world_verify(&w, BLOCK, N, 1);
	check_pages(a, N, 0, 0);
	check_pages(root, 3 * N, 0, 0);
	world_close(&w);
}

/* Groups are destroyed; mappings are unmapped, or moved to another address. */
static void test_life(const char *rung)
{
	struct uhmm_group *a, *b, *again;

	setup(UHMM_CHARGE_TIER, rung);
	a = group(NULL, "a");
	b = group(a, "b");
	put(0, b);
	fill(0, N, 1);
	CHECK_EQ(world_move(&w, 0, N / 2, dev[0]), N / 2);
	CHECK_EQ(uhmm_group_destroy(a), -EBUSY);
	CHECK_EQ(uhmm_group_destroy(b), -EBUSY);
	check_pages(b, N / 2, N / 2, 0);

	unmap(2);
	CHECK_EQ(fake_mremap(w.mm, (uintptr_t)world_at(0),
			     (uintptr_t)world_at(2 * BLOCK), BLOCK * PAGE),
		 0);
	check_pages(b, N / 2, N / 2, 0);
	world_map(&w, 0, BLOCK); /* nothing of it is left where it was */
	CHECK_EQ(uhmm_register(w.u, world_at(0), BLOCK * PAGE), 0);
	fill(0, N, 2);
	check_pages(b, N / 2, N / 2, 0);

	unmap(2);
	check_pages(b, 0, 0, 0);
	put(1, b);
	CHECK_EQ(uhmm_group_destroy(b), 0);
	fill(BLOCK, N, 1); /* it is the parent's now */
	check_pages(a, N, 0, 0);
	again = group(a, "again");
	check_pages(again, 0, 0, 0);
	CHECK_EQ(ask(again, dev[0]).limit, 0);
	CHECK_EQ(uhmm_unregister(w.u, world_at(BLOCK), BLOCK * PAGE), 0);
	check_pages(a, 0, 0, 0);
	CHECK_EQ(uhmm_group_destroy(again), 0);
	CHECK_EQ(uhmm_group_destroy(a), 0);
	world_close(&w);
}

/* ---- charge=tier ------------------------------------------------------- */

static void demote_all(void)
{
	for (int n = 1, i = 0; n && i < 1000; i++)
		n = policy_step(w.u);
}

/* Only pages of the group that is above its limit go. */
static void test_ram_limit(const char *rung)
{
	struct uhmm_group *a, *b, *c;

	setup(UHMM_CHARGE_TIER, rung);
	a = group(NULL, "a");
	b = group(a, "b");
	c = group(a, "c");
	for (size_t i = 0; i < BLOCKS; i++)
		put(i, i == 0 ? b : i == 1 ? c : NULL);
	for (size_t i = 0; i < BLOCKS; i++)
		fill(i * BLOCK, N, 1);
	limit(b, NULL, N / 2);
	demote_all();
	CHECK(ask(b, NULL).pages <= N / 2);
	check_pages(c, N, 0, 0);
	CHECK_EQ(ask(a, dev[0]).pages, ask(b, dev[0]).pages);

	limit(b, NULL, 0); /* and now an ancestor */
	CHECK_EQ(world_move(&w, 0, N, NULL), N);
	limit(a, NULL, N / 4);
	demote_all();
	CHECK(ask(a, NULL).pages <= N / 4);
	CHECK_EQ(ask(uhmm_group_root(w.u), NULL).pages - ask(a, NULL).pages -
			 world_stats(&w).pool_pages,
		 N);
	for (size_t i = 0; i < BLOCKS; i++)
		world_verify(&w, i * BLOCK, N, 1);
	world_close(&w);
}

/* A full group's pages are refused with a reason, or go to the next device. */
static void test_device_limit(const char *rung)
{
	struct uhmm_group *root, *a, *b;
	uint8_t why[N];

	setup(UHMM_CHARGE_TIER, rung);
	root = uhmm_group_root(w.u);
	a = group(NULL, "a");
	b = group(a, "b");
	put(0, b);
	put(1, a);
	fill(0, N, 1);
	fill(BLOCK, N, 1);
	limit(a, dev[0], N / 2);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), sizeof(why) * PAGE, dev[0],
				  why),
		 N / 2);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(why[i], i < N / 2 ? UHMM_WHY_OK : UHMM_WHY_NO_ROOM);
	CHECK(ask(a, dev[0]).exceeded > 0);
	CHECK_EQ(world_move(&w, BLOCK, N, dev[0]), 0);
	CHECK_EQ(world_move(&w, BLOCK, N, dev[1]), N);
	CHECK_EQ(world_move(&w, BLOCK, N, dev[0]), 0);
	check_pages(a, N / 2, N / 2, N);
	limit(a, dev[0], N);
	CHECK_EQ(world_move(&w, 0, N, dev[0]), N);

	limit(a, dev[0], 0);
	limit(root, dev[0], N + 1);
	CHECK_EQ(world_move(&w, BLOCK, N, dev[0]), 1);
	CHECK_EQ(ask(root, dev[0]).pages, N + 1);
	CHECK(ask(root, dev[0]).exceeded > 0);
	limit(root, dev[0], N / 2); /* what is there stays */
	check_pages(a, 0, N + 1, N - 1);
	world_verify(&w, 0, N, 1);
	world_verify(&w, BLOCK, N, 1);

	limit(a, dev[0], 1);
	limit(a, NULL, N); /* demotion finds the second device */
	demote_all();
	CHECK(ask(a, NULL).pages <= N);
	CHECK(ask(a, dev[0]).pages <= 1);
	CHECK(ask(a, dev[1]).pages >= N - 1);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

/* ---- charge=keep ------------------------------------------------------- */

static void test_keep(const char *rung)
{
	struct uhmm_group *root, *a;
	uint8_t why[2 * N];

	setup(UHMM_CHARGE_KEEP, rung);
	root = uhmm_group_root(w.u);
	a = group(NULL, "a");
	put(0, a);
	limit(a, NULL, N + 4);
	limit(root, NULL, N + 8);
	fill(0, N, 1);
	/* what is there may go and come back, however little room there is */
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), sizeof(why) * PAGE, dev[0],
				  why),
		 N + 4);
	for (size_t i = 0; i < 2 * N; i++)
		CHECK_EQ(why[i], i < N + 4 ? UHMM_WHY_OK : UHMM_WHY_NO_ROOM);
	check_pages(a, 0, N + 4, 0);
	CHECK_EQ(world_move(&w, 0, N, NULL), N);
	CHECK_EQ(policy_step(w.u), 0); /* it would not help */
	check_pages(a, N, 4, 0);
	CHECK_EQ(ask(a, NULL).exceeded, 0);
	CHECK_EQ(world_stats(&w).limit_exceeded, 0);

	fill(N + 4, 1, 1); /* a touch never fails */
	CHECK_EQ(ask(a, NULL).exceeded, 1);
	fill(N + 5, 2, 1);
	CHECK_EQ(ask(a, NULL).exceeded, 1); /* it was passed once */
	CHECK_EQ(world_stats(&w).limit_exceeded, 0);
	fill(N + 7, 2, 1);
	CHECK_EQ(world_stats(&w).limit_exceeded, 1);
	CHECK_EQ(ask(root, NULL).exceeded, 1);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_tree(rungs[i]);
		test_life(rungs[i]);
		test_ram_limit(rungs[i]);
		test_device_limit(rungs[i]);
		test_keep(rungs[i]);
	}
	return 0;
}
