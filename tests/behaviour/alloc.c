// SPDX-License-Identifier: MIT
/*
 * New memory is on the device from the start: the CPU writes coherent memory
 * where it is, private memory begins as zeroes there without a copy, and what
 * the device has no room for is in RAM.
 */
#include <uhmm/alloc.h>
#include <uhmm/charge.h>

#include "../context.h"

#define NPAGES 64

static struct uhmm *u;

static bool is_zero(const char *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

/* Memory from a coherent device is zero, and a touch does not move it. */
static void check_coherent(void)
{
	struct uhmm_device *dev = test_device(u, "dax:4M");
	void *p;

	CHECK_EQ(uhmm_alloc(u, NPAGES * PAGE, dev, &p), 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	CHECK(is_zero(p, NPAGES * PAGE));
	test_fill(p, NPAGES, 1);
	test_verify(p, NPAGES, 1);
	/* neither the touch nor the way there was a move */
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	CHECK_EQ(test_info(dev).pages_in, 0);
	CHECK_EQ(test_stats(u).to_ram, 0);
	CHECK_EQ(uhmm_free(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

static void check_private(void)
{
	struct uhmm_device *dev = test_device(u, "ram:4M");
	void *p;

	CHECK_EQ(uhmm_alloc(u, 2 * BLOCK - 1, dev, &p), 0);
	CHECK_EQ((uintptr_t)p % BLOCK, 0);
	CHECK_EQ(test_count_on(u, p, 2 * BLOCK_PAGES, dev), 2 * BLOCK_PAGES);
	CHECK_EQ(test_info(dev).pages_in, 0);
	CHECK(is_zero(p, 2 * BLOCK));
	CHECK_EQ(uhmm_free(u, p, 2 * BLOCK - 1), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

static void check_too_small(void)
{
	struct uhmm_device *dev = test_device(u, "dax:64K");
	void *p;

	CHECK_EQ(uhmm_alloc(u, NPAGES * PAGE, dev, &p), 0);
	CHECK_EQ(uhmm_range_pages(u, p, NPAGES * PAGE, dev), 16);
	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_free(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_range_pages(u, p, NPAGES * PAGE, dev), 0);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

/* The group's limit on the device counts as its room does. */
static void check_limited(void)
{
	struct uhmm_device *dev = test_device(u, "dax:4M");
	void *p;

	CHECK_EQ(uhmm_group_set_limit(uhmm_group_root(u), dev, 16 * PAGE), 0);
	CHECK_EQ(uhmm_alloc(u, NPAGES * PAGE, dev, &p), 0);
	CHECK_EQ(uhmm_range_pages(u, p, NPAGES * PAGE, dev), 16);
	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_free(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

/* malloc and advice: what was touched stays where it is. */
static void check_prefer(const char *spec)
{
	struct uhmm_device *dev = test_device(u, spec);
	char *p = test_map_blocks(1);

	test_fill(p + 3 * PAGE, 2, 3);
	CHECK_EQ(uhmm_prefer(u, p, NPAGES * PAGE, dev), NPAGES - 2);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - 2);
	CHECK_EQ(test_count_on(u, p + 3 * PAGE, 2, NULL), 2);
	CHECK_EQ(test_info(dev).pages_in, 0);
	CHECK_EQ(uhmm_prefer(u, p, NPAGES * PAGE, dev), NPAGES - 2);
	test_verify(p + 3 * PAGE, 2, 3);
	CHECK(is_zero(p, 3 * PAGE));
	CHECK(is_zero(p + 5 * PAGE, (NPAGES - 5) * PAGE));
	CHECK_EQ(munmap(p, BLOCK), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

static void check_bad(void)
{
	struct uhmm_device *dev = test_device(u, "ram:64K");
	char *p = test_map(1);
	void *q = NULL;

	CHECK_EQ(uhmm_alloc(NULL, PAGE, dev, &q), -EINVAL);
	CHECK_EQ(uhmm_alloc(u, 0, dev, &q), -EINVAL);
	CHECK_EQ(uhmm_alloc(u, PAGE, dev, NULL), -EINVAL);
	CHECK_EQ(uhmm_alloc(u, SIZE_MAX, dev, &q), -ENOMEM);
	CHECK_EQ(uhmm_alloc(u, SIZE_MAX / 2, dev, &q), -ENOMEM);
	CHECK(!q);
	CHECK_EQ(uhmm_free(u, NULL, 0), 0);
	CHECK_EQ(uhmm_free(u, p + 1, PAGE), -EINVAL);
	CHECK_EQ(uhmm_free(u, p, 0), -EINVAL);
	CHECK_EQ(uhmm_prefer(u, p, PAGE, NULL), -EINVAL);
	CHECK_EQ(uhmm_prefer(u, p + 1, PAGE, dev), -EINVAL);
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_EQ(uhmm_prefer(u, p, PAGE, dev), -ENOMEM);
	CHECK_EQ(uhmm_alloc(u, 1, NULL, &q), 0);
	CHECK(is_zero(q, PAGE));
	CHECK_EQ(uhmm_free(u, q, 1), 0);
}

int main(void)
{
	u = test_open();
	check_coherent();
	check_private();
	check_too_small();
	check_limited();
	check_prefer("dax:4M");
	check_prefer("ram:4M");
	check_bad();
	test_close(u);
	return 0;
}
