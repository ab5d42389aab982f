// SPDX-License-Identifier: MIT
/*
 * Ranges that are unaligned, empty, wrapping or beyond the address space are
 * -EINVAL from every call that takes one; nothing changes.
 */
#include "../context.h"

static struct uhmm *u;
static struct uhmm_device *dev;
static uhmm_pfn_t pfns[8];

static void check_bad(void *addr, size_t len)
{
	CHECK_EQ(uhmm_migrate(u, addr, len, dev), -EINVAL);
	CHECK_EQ(uhmm_migrate(u, addr, len, NULL), -EINVAL);
	CHECK_EQ(uhmm_migrate_start(u, addr, len, dev, 1), -EINVAL);
	CHECK_EQ(uhmm_register(u, addr, len), -EINVAL);
	CHECK_EQ(uhmm_unregister(u, addr, len), -EINVAL);
	CHECK_EQ(uhmm_pin(u, addr, len), -EINVAL);
	CHECK_EQ(uhmm_unpin(u, addr, len), -EINVAL);
	CHECK_EQ(uhmm_snapshot(u, addr, len, pfns), -EINVAL);
}

int main(void)
{
	char *p;

	u = test_open();
	dev = test_device(u, "ram:1M");
	p = test_map(8);
	test_fill(p, 8, 1);
	check_bad(p + 1, PAGE);
	check_bad(p, PAGE + 1);
	check_bad(p, 0);
	check_bad(p + 8, 2 * PAGE - 8);
	check_bad(p, SIZE_MAX - PAGE + 1);
	check_bad((void *)(UINTPTR_MAX - PAGE + 1), 2 * PAGE);
	check_bad((void *)((uintptr_t)1 << 47), PAGE);
	CHECK_EQ(uhmm_snapshot(u, p, PAGE, NULL), -EINVAL);
	CHECK_EQ(uhmm_migrate(NULL, p, PAGE, NULL), -EINVAL);
	CHECK_EQ(uhmm_set_ram_limit(u, PAGE + 1), -EINVAL);
	CHECK_EQ(test_count_on(u, p, 8, NULL), 8);
	CHECK_EQ(test_stats(u).to_device, 0);
	test_verify(p, 8, 1);
	test_close(u);
	return 0;
}
