// SPDX-License-Identifier: MIT
/*
 * uhmm_advise(): under a limit cold pages leave first, pages leave and come
 * home when the program says so, a touch brings home what the order of touches
 * needs; data stay whatever is advised.
 */
#include <uhmm/advise.h>

#include "../context.h"

#define LIMIT  ((size_t)16 << 20)
#define NPAGES (LIMIT / PAGE)
#define SOME   (NPAGES / 8)

static struct uhmm *u;
static struct uhmm_device *dev;

static void advise(void *p, size_t npages, enum uhmm_advice advice)
{
	CHECK_EQ(uhmm_advise(u, p, npages * PAGE, advice), 0);
}

static char *open_world(size_t limit)
{
	char *p = test_map_blocks(2 * LIMIT / BLOCK);

	u = test_open_with((struct uhmm_params){ .ram_limit = limit });
	dev = test_device(u, "ram:96M");
	CHECK_EQ(uhmm_register(u, p, 2 * LIMIT), 0);
	return p;
}

static void close_world(char *p)
{
	test_close(u);
	CHECK_EQ(munmap(p, 2 * LIMIT), 0);
}

/* Pages that were written last are the first to go when they are cold. */
static void test_cold(void)
{
	char *p = open_world(LIMIT), *cold = p + NPAGES / 2 * PAGE;

	test_fill(p, NPAGES / 2 + SOME, 1);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), 0);
	advise(cold, SOME, UHMM_ADVICE_COLD);
	CHECK_EQ(test_count_on(u, cold, SOME, NULL), SOME);
	test_fill(p + LIMIT, NPAGES / 2, 2);
	CHECK_SOON(test_count_on(u, cold, SOME, dev) == SOME);
	test_verify(p, NPAGES / 2 + SOME, 1);
	test_verify(p + LIMIT, NPAGES / 2, 2);
	close_world(p);
}

static void test_pageout(size_t limit)
{
	char *p = open_world(limit);

	test_fill(p, SOME, 3);
	advise(p, NPAGES, UHMM_ADVICE_PAGEOUT);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), SOME);
	CHECK_EQ(test_nr_present(p, NPAGES), 0);
	test_verify(p, SOME / 2, 3);
	advise(p, NPAGES, UHMM_ADVICE_PAGEOUT);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), SOME);
	test_verify(p, SOME, 3);
	close_world(p);
}

/* Pages come home untouched, and no completion tells of it. */
static void test_willneed(size_t limit)
{
	struct uhmm_completion done = { .size = sizeof(done) };
	char *p = open_world(limit);

	test_fill(p, SOME, 4);
	test_move(u, p, SOME, dev);
	for (int i = 0; i < 100; i++)
		advise(p, SOME, UHMM_ADVICE_WILLNEED);
	CHECK_SOON(!test_count_on(u, p, SOME, dev));
	CHECK_EQ(uhmm_complete(u, &done, 1), 0);
	test_verify(p, SOME, 4);
	close_world(p);
}

static void test_order(void)
{
	char *p = open_world(0);

	test_fill(p, SOME, 5);
	advise(p, SOME, UHMM_ADVICE_RANDOM);
	test_move(u, p, SOME, dev);
	test_verify(p, 16, 5);
	CHECK_EQ(test_count_on(u, p, SOME, dev), SOME - 16);
	advise(p, SOME, UHMM_ADVICE_SEQUENTIAL);
	test_verify(p, 17, 5);
	CHECK(test_count_on(u, p, SOME, dev) <= SOME - 48);
	close_world(p);
}

/* Memory that is not managed, or nearly none of it, is left as it is. */
static void test_others(void)
{
	char *p = open_world(LIMIT), *q = test_map(SOME);

	test_fill(q, SOME, 6);
	for (int i = UHMM_ADVICE_NORMAL; i <= UHMM_ADVICE_PAGEOUT; i++)
		advise(q, SOME, (enum uhmm_advice)i);
	CHECK_EQ(test_nr_present(q, SOME), SOME);
	CHECK_EQ(uhmm_advise(u, p + 1, PAGE, UHMM_ADVICE_COLD), -EINVAL);
	CHECK_EQ(uhmm_advise(u, p, PAGE, (enum uhmm_advice)77), -EINVAL);
	test_verify(q, SOME, 6);
	CHECK_EQ(munmap(q, SOME * PAGE), 0);
	close_world(p);
}

int main(void)
{
	test_cold();
	test_pageout(0);
	test_pageout(LIMIT);
	test_willneed(0);
	test_willneed(LIMIT);
	test_order();
	test_others();
	return 0;
}
