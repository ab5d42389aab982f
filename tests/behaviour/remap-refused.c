// SPDX-License-Identifier: MIT
/*
 * Pages that were only read are to leave by their mapping, which the kernel
 * refuses to move.  They stay, and what is written to them then is not lost.
 */
#include <sched.h>

#include "../context.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define NPAGES 256

int __real_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);

static char *area;
static atomic_bool refuses;
static atomic_uint nr_refused;

int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags)
{
	if (!refuses || !(flags & MREMAP_DONTUNMAP))
		return __real_sys_mremap(from, to, len, flags);
	nr_refused++;
	return -ENOMEM;
}

static void read_back(struct uhmm *u, struct uhmm_device *dev)
{
	for (size_t i = NPAGES; i--;) /* backwards, so that it is no stream */
		CHECK(*(volatile uint64_t *)(area + i * PAGE) ==
		      test_word(1, i * PAGE_WORDS));
	CHECK_EQ(test_info(dev).used, NPAGES);
	CHECK_EQ(test_count_on(u, area, NPAGES, dev), 0);
}

/* The demoter has tried, and come to the end of it. */
static void be_refused(struct uhmm *u)
{
	refuses = true;
	CHECK_EQ(uhmm_set_ram_limit(u, NPAGES / 4 * PAGE), 0);
	while (nr_refused < 2)
		sched_yield();
	CHECK_EQ(uhmm_set_ram_limit(u, 256 * BLOCK), 0);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");

	if (!test_has(u, "kernel-faults"))
		test_skip("no page is shared with its device");
	if (test_has(u, "move"))
		test_skip("pages do not leave by their mapping");
	uhmm_set_log(u, test_no_log, NULL);
	CHECK_EQ(uhmm_set_ram_limit(u, 256 * BLOCK), 0);
	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 1);
	test_move(u, area, NPAGES, dev);
	read_back(u, dev);
	be_refused(u);
	test_fill(area, NPAGES, 2);
	refuses = false;
	CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) > 0);
	test_verify(area, NPAGES, 2);
	test_close(u);
	return 0;
}
