// SPDX-License-Identifier: MIT
/*
 * Advice: cold pages are demoted before all others, unless they are touched;
 * pages go out or come home when the program says so; and a touch brings home
 * as many pages as the program's order of touches needs.
 */
#include <uhmm/advise.h>

#include "world.h"

#define B      ((size_t)MM_BLOCK_PAGES)
#define N      (3 * B)
#define WINDOW 64 /* pages that a stream brings home at once */

static struct world w;
static struct store s[2];
static struct uhmm_device *dev[2];
static bool parks; /* a touch of a cold page is noticed */

static void setup(const char *rung, size_t first, size_t limit)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = rung };

	parks = !rung;
	w = world_open(&params);
	dev[0] = store_add(w.u, &s[0], STORE_PLAIN, first);
	dev[1] = store_add(w.u, &s[1], STORE_PLAIN, 2 * N);
	world_map(&w, 0, N);
	CHECK_EQ(uhmm_register(w.u, world_at(0), N * PAGE), 0);
	if (limit)
		world_set_limit(&w, limit);
	world_fill(&w, 0, N, 1);
}

static void advise(size_t page, size_t npages, enum uhmm_advice advice)
{
	CHECK_EQ(uhmm_advise(w.u, world_at(page), npages * PAGE, advice), 0);
}

static unsigned away(size_t page, size_t npages)
{
	unsigned n = 0;

	for (size_t i = page; i < page + npages; i++)
		n += world_state(&w, i) == P_DEVICE;
	return n;
}

static void finish(void)
{
	world_check(&w);
	CHECK_EQ(uhmm_set_ram_limit(w.u, 0), 0);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

static void test_cold_goes_first(const char *rung)
{
	setup(rung, N, N - B / 4);
	advise(2 * B + 8, 64, UHMM_ADVICE_COLD);
	CHECK_EQ(away(0, N), 0);
	CHECK_EQ(policy_step(w.u), 64);
	CHECK_EQ(away(2 * B + 8, 64), 64);
	CHECK_EQ(away(0, N), 64);
	finish();
}

/* Where two ranges of a block are cold, none is forgotten. */
static void test_cold_twice(const char *rung)
{
	setup(rung, N, N - B / 4);
	advise(B, 8, UHMM_ADVICE_COLD);
	advise(B + 8, 8, UHMM_ADVICE_COLD);
	if (parks)
		advise(B + 100, 16, UHMM_ADVICE_COLD);
	CHECK_EQ(policy_step(w.u), parks ? 32 : 16);
	CHECK_EQ(away(B, 16), 16);
	CHECK_EQ(away(0, N), parks ? 32 : 16);
	finish();
}

static void test_touched_is_not_cold(const char *rung)
{
	setup(rung, N, N - B / 4);
	advise(B, 64, UHMM_ADVICE_COLD);
	for (size_t i = 0; i < 8; i++) /* no stream */
		world_verify(&w, B + 16 + 2 * i, 1, 1);
	CHECK_EQ(policy_step(w.u), parks ? 56 : 64);
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(away(B + 16 + 2 * i, 1), parks ? 0 : 1);
	finish();
}

/* A cold page for which no device has room stays, and is parked as others. */
static void test_cold_stays(const char *rung)
{
	setup(rung, N, N - B / 4);
	pagemap_close(&dev[0]->pagemap, true);
	pagemap_close(&dev[1]->pagemap, true);
	advise(B, 64, UHMM_ADVICE_COLD);
	for (int i = 0; i < 20; i++)
		policy_step(w.u);
	CHECK_EQ(away(0, N), 0);
	pagemap_close(&dev[0]->pagemap, false);
	CHECK_EQ(policy_step(w.u), 64);
	CHECK_EQ(away(B, 64), 64);
	finish();
}

static void test_pageout(const char *rung)
{
	setup(rung, 100, 0);
	advise(B, 128, UHMM_ADVICE_PAGEOUT);
	CHECK_EQ(away(B, 128), 128);
	CHECK_EQ(away(0, N), 128);
	CHECK_EQ(device_used(dev[0]), 100);
	CHECK_EQ(device_used(dev[1]), 28);
	advise(0, N, UHMM_ADVICE_PAGEOUT);
	CHECK_EQ(away(0, N), N);
	finish();
}

/* Pages that no thread ever touched do not go. */
static void test_pageout_holes(const char *rung)
{
	setup(rung, N, 0);
	fake_discard(w.mm, (uintptr_t)world_at(8), (uintptr_t)world_at(16));
	advise(0, 32, UHMM_ADVICE_PAGEOUT);
	CHECK_EQ(away(0, 32), 24);
	CHECK_EQ(device_used(dev[0]), 24);
	world_fill(&w, 8, 8, 1);
	finish();
}

static void test_willneed(const char *rung)
{
	setup(rung, N, 0);
	CHECK_EQ(world_move(&w, 0, N, dev[0]), N);
	advise(10, B, UHMM_ADVICE_WILLNEED);
	request_drain(w.u); /* the batches that are waiting, and their last */
	while (away(10, B))
		request_drain(w.u);
	CHECK_EQ(away(0, N), N - B);
	finish();
}

/* A quarter of the limit, and never more than it. */
static void test_willneed_limit(const char *rung)
{
	setup(rung, N, N);
	CHECK_EQ(world_move(&w, 0, N, dev[0]), N);
	world_set_limit(&w, B);
	advise(0, N, UHMM_ADVICE_WILLNEED);
	for (int i = 0; i < 20; i++)
		request_drain(w.u);
	CHECK_EQ(away(0, N), N - B / 4);
	world_set_limit(&w, 8);
	advise(B, N - B, UHMM_ADVICE_WILLNEED);
	for (int i = 0; i < 20; i++)
		request_drain(w.u);
	CHECK_EQ(away(0, N), N - B / 4);
	finish();
}

static void test_order(const char *rung)
{
	setup(rung, N, 0);
	CHECK_EQ(world_move(&w, 0, N, dev[0]), N);
	advise(0, 100, UHMM_ADVICE_SEQUENTIAL);
	advise(B, B, UHMM_ADVICE_RANDOM);
	world_verify(&w, 8, 1, 1);
	CHECK_EQ(away(0, B), B - WINDOW);
	world_verify(&w, 200, 1, 1); /* not of the range */
	CHECK_EQ(away(0, B), B - WINDOW - 1);
	world_verify(&w, B, 16, 1);
	CHECK_EQ(away(B, B), B - 16);
	advise(B, B, UHMM_ADVICE_NORMAL);
	world_verify(&w, B + 16, 16, 1);
	CHECK(away(B, B) < B - 32);
	finish();
}

/* Advice ends with the mapping that it was given for. */
static void test_forgotten(const char *rung)
{
	setup(rung, N, 0);
	advise(0, B, UHMM_ADVICE_SEQUENTIAL);
	CHECK_EQ(world_move(&w, 0, B, dev[0]), B);
	CHECK_EQ(uhmm_unregister(w.u, world_at(0), B * PAGE), 0);
	CHECK_EQ(world_move(&w, 0, B, dev[0]), B);
	world_verify(&w, 8, 1, 1);
	CHECK_EQ(away(0, B), B - 1);
	finish();
}

static void test_errors(const char *rung)
{
	setup(rung, N, 0);
	CHECK_EQ(uhmm_advise(w.u, world_at(0), PAGE, (enum uhmm_advice)6),
		 -EINVAL);
	CHECK_EQ(uhmm_advise(w.u, world_at(0), PAGE, (enum uhmm_advice) - 1),
		 -EINVAL);
	CHECK_EQ(uhmm_advise(w.u, world_at(0), 7, UHMM_ADVICE_COLD), -EINVAL);
	CHECK_EQ(uhmm_advise(NULL, world_at(0), PAGE, UHMM_ADVICE_COLD),
		 -EINVAL);
	/* not managed */
	advise(4 * N, B, UHMM_ADVICE_PAGEOUT);
	advise(4 * N, B, UHMM_ADVICE_RANDOM);
	advise(4 * N, B, UHMM_ADVICE_WILLNEED);
	finish();
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_cold_goes_first(rungs[i]);
		test_cold_twice(rungs[i]);
		test_touched_is_not_cold(rungs[i]);
		test_cold_stays(rungs[i]);
		test_pageout(rungs[i]);
		test_pageout_holes(rungs[i]);
		test_willneed(rungs[i]);
		test_willneed_limit(rungs[i]);
		test_order(rungs[i]);
		test_forgotten(rungs[i]);
		test_errors(rungs[i]);
	}
	return 0;
}
