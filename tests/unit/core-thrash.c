// SPDX-License-Identifier: MIT
/*
 * A program that loops over more than its limit finds a part of its pages at
 * home, since some blocks are held; the user is told of it, and where it is.
 * Programs that use each page once, or that fit, are not troubled.
 */
#include "core/limit/thrash.h"
#include "world.h"

#define B     ((size_t)MM_BLOCK_PAGES)
#define N     (6 * B)
#define LIMIT (4 * B)
#define MOST  1000 /* steps */

#define HALF_A_SLICE (UINT64_C(500) * 1000 * 1000)

static struct world w;
static struct store s;
static char said[512];

static void on_message(void *arg, int level, const char *msg)
{
	if (strstr(msg, "again and again"))
		snprintf(said, sizeof(said), "%s", msg);
	else
		world_log(arg, level, msg);
}

static struct thrash *setup(const char *rung)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung };

	w = world_open(&params);
	uhmm_set_log(w.u, on_message, NULL);
	store_add(w.u, &s, STORE_PLAIN, 8 * N);
	world_map(&w, 0, 4 * N);
	CHECK_EQ(uhmm_register(w.u, world_at(0), 4 * N * PAGE), 0);
	world_set_limit(&w, LIMIT);
	said[0] = '\0';
	return &w.u->policy.thrash;
}

static void demote_all(void)
{
	struct uhmm_group *root = &w.u->charge.root;
	int steps = 0;

	while (charge_pages(root, 0) > charge_limit(root) && policy_step(w.u))
		CHECK(steps++ < MOST);
}

/* Return: pages that had to come home. */
static uint64_t pass(size_t from, size_t npages)
{
	uint64_t before = world_stats(&w).to_ram;

	for (size_t at = from; at < from + npages; at += 64) {
		world_verify(&w, at, 64, 1);
		demote_all();
	}
	return world_stats(&w).to_ram - before;
}

static void fill_all(size_t npages)
{
	for (size_t at = 0; at < npages; at += 64) {
		world_fill(&w, at, 64, 1);
		demote_all();
	}
}

static void test_loop(const char *rung)
{
	struct thrash *t = setup(rung);
	uint64_t first, start = 0, last = 0;

	fill_all(N);
	first = pass(0, N);
	CHECK(first >= N * 3 / 4);
	for (int i = 0; i < 4; i++)
		last = pass(0, N);
	CHECK(atomic_load(&t->active));
	CHECK(atomic_load(&t->nr_held) >= 1);
	CHECK(atomic_load(&t->nr_held) * B <= LIMIT / 2);
	for (int i = 0; i < 4; i++) {
		start = sys_now_ns();
		last = pass(0, N);
	}
	/* where a pass takes as long as blocks are held, none is found */
	CHECK(last <= N - B || sys_now_ns() - start > HALF_A_SLICE);
	CHECK(world_stats(&w).refaults > N);
	world_check(&w);
	world_close(&w);
}

/* Pages that come home for the first time did not leave too soon. */
static void test_scan(const char *rung)
{
	struct thrash *t = setup(rung);

	fill_all(4 * N);
	CHECK_EQ(world_stats(&w).refaults, 0);
	CHECK(!atomic_load(&t->active));
	pass(0, 4 * N);
	pass(0, 4 * N);
	CHECK(!atomic_load(&t->active));
	CHECK_EQ(world_stats(&w).thrash_len, 0);
	world_close(&w);
}

/* When the program fits again, nothing is held any more. */
static void test_ends(const char *rung)
{
	struct thrash *t = setup(rung);

	fill_all(N);
	for (int i = 0; i < 5; i++)
		pass(0, N);
	CHECK(atomic_load(&t->active));
	for (size_t at = N; at < 4 * N; at += 64) {
		world_fill(&w, at, 64, 1);
		demote_all();
	}
	CHECK(!atomic_load(&t->active));
	world_close(&w);
}

/* Once, when it lasts and threads wait for most of the time. */
static void test_told(const char *rung)
{
	struct thrash *t = setup(rung);

	fill_all(N);
	pass(0, N);
	for (int i = 0; i < 5 && !said[0]; i++) {
		t->since = 1; /* long ago, and blocked ever since */
		t->blocked = 0;
		atomic_store(&w.u->count.blocked_ns, UINT64_MAX / 2);
		pass(0, N);
	}
	CHECK(strstr(said, "the limit of 8 MiB"));
	CHECK(strstr(said, "0x"));
	CHECK(world_stats(&w).thrash_addr >= (uintptr_t)world_at(0));
	CHECK(world_stats(&w).thrash_len >= B * PAGE);
	CHECK(world_stats(&w).thrash_addr + world_stats(&w).thrash_len <=
	      (uintptr_t)world_at(N));
	said[0] = '\0';
	t->since = 1;
	pass(0, N);
	CHECK(!said[0]);
	world_close(&w);
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_loop(rungs[i]);
		test_scan(rungs[i]);
		test_ends(rungs[i]);
		test_told(rungs[i]);
	}
	return 0;
}
