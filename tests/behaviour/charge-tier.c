// SPDX-License-Identifier: MIT
/*
 * charge=tier: while threads write all over their memory, limits of their
 * groups are set, lowered, raised and lifted.  A group is soon within its limit
 * and stays so, pages that come home included; the other group keeps every page
 * in RAM; what has nowhere to go stays, is counted, and nothing fails.
 */
#include <pthread.h>

#include "../group.h"

#define MIB    ((size_t)1 << 20)
#define NBLOCK 8
#define NPAGES (NBLOCK * BLOCK_PAGES)
#define SLACK  (2 * MIB)

static struct uhmm *u;
static atomic_bool stop;
static atomic_ulong rounds;

/* The first word of a page is how often it was written to. */
static void *writer(void *arg)
{
	volatile unsigned long *w = arg;

	for (unsigned long round = 1; !stop; round++) {
		for (size_t i = 0; i < NPAGES; i++) {
			CHECK_EQ(w[i * PAGE_WORDS], round - 1);
			w[i * PAGE_WORDS] = round;
		}
		rounds = round;
	}
	return NULL;
}

static void wait_rounds(unsigned long n)
{
	unsigned long until = rounds + n;

	CHECK_SOON(rounds >= until);
}

/* The most that is in RAM in a while. */
static uint64_t most(struct uhmm_group *g)
{
	struct timespec ms = { 0, 1000 * 1000 };
	uint64_t top = 0;

	for (int i = 0; i < 50; i++) {
		uint64_t now = test_ask(g, NULL).pages * PAGE;

		top = now > top ? now : top;
		nanosleep(&ms, NULL);
	}
	return top;
}

static void check_within(struct uhmm_group *g, size_t limit)
{
	uint64_t top;

	test_limit(g, NULL, limit);
	CHECK_SOON(test_ask(g, NULL).pages * PAGE <= limit);
	top = most(g);
	if (top > limit + SLACK)
		fprintf(stderr, "%ju KiB, limit %zu\n", (uintmax_t)top >> 10,
			limit >> 10);
	CHECK(top <= limit + SLACK);
}

static void test_changes(void)
{
	struct uhmm_group *a = test_group(u, NULL, "a");
	struct uhmm_group *b = test_group(u, a, "b");
	struct uhmm_group *c = test_group(u, NULL, "c");
	struct uhmm_device *dev = test_device(u, "ram:64M");
	char *p = test_map_blocks(NBLOCK), *q = test_map_blocks(NBLOCK);
	pthread_t t;

	CHECK_EQ(uhmm_charge(u, p, NBLOCK * BLOCK, b), 0);
	CHECK_EQ(uhmm_charge(u, q, NBLOCK * BLOCK, c), 0);
	test_fill(q, NPAGES, 7);
	CHECK_EQ(pthread_create(&t, NULL, writer, p), 0);
	wait_rounds(1);
	check_within(b, 8 * MIB);
	check_within(b, 4 * MIB);
	test_limit(b, NULL, 0);
	check_within(a, 6 * MIB); /* above b */
	CHECK_EQ(test_ask(a, NULL).exceeded, 0);
	CHECK_EQ(test_ask(c, dev).pages, 0);
	CHECK_EQ(test_ask(c, NULL).pages, NPAGES);

	test_limit(a, dev, 2 * MIB); /* nearly nowhere to go */
	wait_rounds(2);
	CHECK_SOON(test_ask(a, NULL).exceeded > 0);
	test_limit(a, NULL, 0);
	test_limit(a, dev, 0);
	stop = true;
	pthread_join(t, NULL);
	CHECK_EQ(uhmm_migrate(u, p, NBLOCK * BLOCK, NULL), NPAGES);
	CHECK_PAGES(a, NULL, NPAGES);
	test_verify(q, NPAGES, 7);
	CHECK_EQ(munmap(p, NBLOCK * BLOCK), 0);
	CHECK_EQ(munmap(q, NBLOCK * BLOCK), 0);
	CHECK_SOON(!uhmm_group_destroy(b));
	CHECK_SOON(!uhmm_group_destroy(c));
	CHECK_EQ(uhmm_group_destroy(a), 0);
}

/* A move home at the limit waits until other pages have left. */
static void test_home(void)
{
	struct uhmm_group *g = test_group(u, NULL, "home");
	struct uhmm_device *dev = test_device(u, "ram:64M");
	char *p = test_map_blocks(NBLOCK);

	CHECK_EQ(uhmm_charge(u, p, NBLOCK * BLOCK, g), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES / 2, dev);
	CHECK_PAGES(g, NULL, NPAGES / 2);
	test_limit(g, NULL, NBLOCK * BLOCK / 2);
	CHECK(uhmm_migrate(u, p, NBLOCK * BLOCK / 2, NULL) >= 0);
	CHECK(test_ask(g, NULL).pages * PAGE <= NBLOCK * BLOCK / 2 + SLACK);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_ask(g, NULL).exceeded, 0);
}

int main(void)
{
	u = test_open();
	test_changes();
	test_home();
	test_close(u);
	return 0;
}
