// SPDX-License-Identifier: MIT
/*
 * A kernel over plain pointers faults its pages in, from RAM, from untouched
 * memory and from where they are already; the CPU reads and writes before,
 * between and after.  Arrays that are named ahead cost no fault.
 */
#include "opencl.h"

#define NPAGES 2000

static struct uhmm_cl_stats stats = { .size = sizeof(stats) };

static void run(struct uhmm_cl *cl, struct uhmm_cl_kernel *k, uint64_t *p,
		uint64_t add, const struct uhmm_cl_range *range)
{
	int err = test_cl_run_add(k, p, NPAGES, add, range, &stats);

	if (err)
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
	CHECK_EQ(err, 0);
}

static void verify(const uint64_t *p, uint64_t seed, uint64_t add)
{
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(p[i], test_word(seed, i) + add);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "12M");
	struct uhmm_device *dev = uhmm_cl_device(cl);
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, test_cl_add, "add");
	uint64_t *p = test_map_blocks(5), *q = test_map_blocks(5);
	struct uhmm_cl_range ahead = { sizeof(ahead), q, NPAGES * PAGE,
				       UHMM_CL_AHEAD };

	test_fill(p, NPAGES, 1);
	run(cl, k, p, 7, NULL);
	CHECK_EQ(stats.faults, NPAGES);
	CHECK(stats.rounds >= 2);
	CHECK_EQ(stats.bytes_in, NPAGES * PAGE);
	CHECK_EQ(stats.written, NPAGES);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);

	/* all there: one launch */
	run(cl, k, p, 1, NULL);
	CHECK_EQ(stats.faults, 0);
	CHECK_EQ(stats.rounds, 1);

	/* the CPU takes some back */
	p[0]++;
	p[1000 * PAGE_WORDS]++;
	CHECK(test_count_on(u, p, NPAGES, NULL) >= 2);
	run(cl, k, p, 1, NULL);
	CHECK(stats.faults >= 2 && stats.faults < NPAGES / 2);
	p[0]--;
	p[1000 * PAGE_WORDS]--;
	verify(p, 1, 9);

	/* untouched memory, named ahead */
	run(cl, k, q, 3, &ahead);
	CHECK_EQ(stats.faults, 0);
	CHECK_EQ(stats.rounds, 1);
	CHECK_EQ(test_count_on(u, q, NPAGES, dev), NPAGES);

	/* and again: what is there takes no room, and nothing goes for it */
	run(cl, k, q, 4, &ahead);
	CHECK_EQ(stats.faults, 0);
	CHECK_EQ(stats.bytes_out, 0);
	CHECK_EQ(stats.evicted, 0);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(q[i], 7);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	test_close(u);
	return 0;
}
