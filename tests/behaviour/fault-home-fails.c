// SPDX-License-Identifier: MIT
/*
 * A touch of a page that the device cannot give back is SIGBUS, on that page
 * alone and every time; its neighbours are intact.  The page is poisoned: it
 * does not migrate, the snapshot says so, unmapping it makes the address good
 * again.  One failed try among several is not noticed.
 */
#include "../device.h"

#define NPAGES 64
#define BAD    20

static uint8_t why[NPAGES];
static struct test_ops ops;

static void touch_neighbours(char *p)
{
	for (size_t i = 0; i < NPAGES; i++) {
		const uint64_t *w = (uint64_t *)(p + i * PAGE);

		if (i != BAD)
			for (size_t k = 0; k < PAGE_WORDS; k++)
				CHECK_EQ(w[k],
					 test_word(1, i * PAGE_WORDS + k));
	}
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p, *bad;

	test_catch(SIGBUS);
	u = test_open();
	dev = test_device_of(u, &ops, 2 * NPAGES);
	p = test_map(NPAGES);
	bad = p + BAD * PAGE;
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);

	ops.fail_out = 1;
	CHECK_EQ(test_read_raises(bad), 0);
	CHECK_EQ(*(uint64_t *)bad, test_word(1, BAD * PAGE_WORDS));
	test_move(u, p, NPAGES, dev);

	ops.bad_out = uhmm_pfn_dpfn(test_pfns(u, bad, 1)[0]) + 1;
	CHECK_EQ(test_read_raises(bad), SIGBUS);
	CHECK_EQ(test_write_raises(bad + 5), SIGBUS);
	CHECK_EQ(test_read_raises(bad), SIGBUS);
	ops.bad_out = 0;
	touch_neighbours(p);
	CHECK_EQ(test_read_raises(bad), SIGBUS);
	CHECK_EQ(test_stats(u).poisoned, 1);
	CHECK(test_pfns(u, bad, 1)[0] & UHMM_PFN_ERROR);

	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 1);
	CHECK_EQ(why[BAD], UHMM_WHY_POISONED);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, NULL, why), NPAGES - 1);
	CHECK_EQ(why[BAD], UHMM_WHY_POISONED);
	touch_neighbours(p);

	CHECK(mmap(bad, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == bad);
	test_verify_zero(bad, 1);
	test_fill(bad, 1, 3);
	test_move(u, p, NPAGES, dev);
	test_verify(bad, 1, 3);
	test_close(u);
	return 0;
}
