/* SPDX-License-Identifier: MIT */
/*
 * site.h - what holds for each device the pages of which the kernel moves: a
 * NUMA node, and a device of the kernel module.
 */
#ifndef UHMM_TEST_SITE_H
#define UHMM_TEST_SITE_H

#include "context.h"

/* Unmapped pages are free there, and new ones at their place are zeroes. */
static inline void test_site_unmap(struct uhmm *u, struct uhmm_device *dev)
{
	const size_t npages = 1200;
	char *p = test_map(npages);

	test_fill(p, npages, 2);
	test_move(u, p, npages, dev);
	CHECK_EQ(munmap(p + 200 * PAGE, 500 * PAGE), 0);
	CHECK_SOON(test_info(dev).used == npages - 500);
	test_verify(p, 200, 2);
	CHECK(mmap(p + 200 * PAGE, 500 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p + 200 * PAGE);
	test_verify_zero(p + 200 * PAGE, 500);
	CHECK_EQ(munmap(p, npages * PAGE), 0);
	CHECK_SOON(test_info(dev).used == 0);
}

#endif
