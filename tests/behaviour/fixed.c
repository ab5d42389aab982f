// SPDX-License-Identifier: MIT
/*
 * Memory of a device that takes no part in migration is counted, listed and
 * mirrored where the program has mapped it, and each wish to move it is refused
 * with a reason.
 */
#include <sys/syscall.h>

#include <uhmm/alloc.h>
#include <uhmm/provider.h>

#include "../fixed.h"
#include "../mirror.h"

#define NPAGES 16 /* of the device */

static struct uhmm *u;
static struct uhmm_device *dev;
static int fd;
static char *p;

/* Pages 4 to 11 of the device. */
static void map(void)
{
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 6 * PAGE);
	CHECK(p != MAP_FAILED);
	test_fill(p, 8, 1);
}

static void check_refused_maps(void)
{
	CHECK_EQ(uhmm_device_map(dev, p, 8 * PAGE, 5), -ENXIO);
	CHECK_EQ(uhmm_device_map(dev, p, 8 * PAGE, 9), -EINVAL);
	CHECK_EQ(uhmm_device_map(dev, p, 8 * PAGE, UINT64_MAX), -EINVAL);
	CHECK_EQ(uhmm_device_map(dev, p + 1, PAGE, 4), -EINVAL);
	CHECK_EQ(uhmm_device_map(dev, p, 0, 4), -EINVAL);
	CHECK_EQ(uhmm_device_map(NULL, p, PAGE, 4), -EINVAL);
	CHECK_EQ(uhmm_device_unmap(dev, p, PAGE), -EINVAL);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(uhmm_device_map(dev, p, 8 * PAGE, 4), 0);
	CHECK_EQ(uhmm_device_map(dev, p + PAGE, PAGE, 5), -EBUSY);
}

static void check_counted(void)
{
	struct uhmm_range r = { .size = sizeof(r) };
	uhmm_pfn_t pfn[8];

	CHECK_EQ(test_info(dev).used, 8);
	CHECK_EQ(test_stats(u).device_pages, 8);
	CHECK_EQ(uhmm_range_pages(u, p, 8 * PAGE, dev), 8);
	CHECK_EQ(uhmm_ranges(u, p, &r, 1), 1);
	CHECK(r.addr == p && r.len == 8 * PAGE);
	CHECK_EQ(r.device_pages, 8);
	CHECK_EQ(uhmm_snapshot(u, p, 8 * PAGE, pfn), 0);
	for (unsigned i = 0; i < 8; i++) {
		CHECK_EQ(uhmm_pfn_device(pfn[i]), test_info(dev).id);
		CHECK_EQ(uhmm_pfn_dpfn(pfn[i]), 4 + i);
	}
}

static void check_never_moved(void)
{
	struct uhmm_device *ram = test_device(u, "ram:4M");
	char *other = test_map(8);
	uint8_t why[8];
	void *q;

	CHECK_EQ(uhmm_migrate_why(u, p, 8 * PAGE, ram, why), 0);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(why[i], UHMM_WHY_FIXED);
	CHECK_EQ(uhmm_migrate_why(u, p, 8 * PAGE, NULL, why), 0);
	CHECK_EQ(why[7], UHMM_WHY_FIXED);
	CHECK_EQ(uhmm_migrate(u, p, 8 * PAGE, dev), 8);
	test_fill(other, 8, 2);
	CHECK_EQ(uhmm_migrate_why(u, other, 8 * PAGE, dev, why), 0);
	CHECK_EQ(why[3], UHMM_WHY_FIXED);
	CHECK_EQ(uhmm_alloc(u, PAGE, dev, &q), -EINVAL);
	CHECK_EQ(uhmm_device_tier(dev, true), -EINVAL);
	CHECK_EQ(uhmm_device_map(ram, p, PAGE, 0), -EINVAL);
	test_verify(p, 8, 1);
	test_verify(other, 8, 2);
	CHECK_EQ(uhmm_device_remove(ram), 0);
	CHECK_EQ(munmap(other, 8 * PAGE), 0);
}

static void check_mirrored(void)
{
	static struct test_table own, its;

	test_mirror(u, &own, p, dev);
	test_mirror(u, &its, p, NULL);
	test_fault(&own, p, 8, UHMM_FAULT_WRITE);
	test_fault(&its, p, 8, UHMM_FAULT_WRITE);
	CHECK_EQ(uhmm_pfn_device(test_entry(&own, p)), test_info(dev).id);
	CHECK_EQ(uhmm_pfn_dpfn(test_entry(&own, p + 7 * PAGE)), 11);
	CHECK(uhmm_pfn_addr(test_entry(&its, p + PAGE)) == p + PAGE);
	/* a part in the middle goes, and the device is told */
	CHECK_EQ(uhmm_device_unmap(dev, p + 2 * PAGE, PAGE), 0);
	CHECK_EQ(test_entry(&own, p + 2 * PAGE), 0);
	CHECK(test_entry(&own, p + 3 * PAGE));
	CHECK_EQ(test_info(dev).used, 7);
	CHECK_EQ(uhmm_range_pages(u, p, 8 * PAGE, dev), 7);
	CHECK_EQ(uhmm_device_unmap(dev, p, 8 * PAGE), -EINVAL);
	CHECK_EQ(test_info(dev).used, 7);
	CHECK_EQ(uhmm_device_map(dev, p + 2 * PAGE, PAGE, 6), 0);
	/* UHMM_NOTIFY_UNMAP does what uhmm_device_unmap() does */
	CHECK_EQ(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_UNMAP), 0);
	CHECK_EQ(uhmm_notify_end(u, p, PAGE), 0);
	CHECK_EQ(test_info(dev).used, 7);
	CHECK_EQ(uhmm_mirror_remove(own.mirror), 0);
	CHECK_EQ(uhmm_mirror_remove(its.mirror), 0);
}

static void check_end(void)
{
	uhmm_pfn_t pfn;

	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(uhmm_snapshot(u, p + PAGE, PAGE, &pfn), 0);
	CHECK_EQ(pfn, UHMM_PFN_ERROR);
	CHECK_EQ(uhmm_device_map(dev, p, PAGE, 4), -ENODEV);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(test_stats(u).device_pages, 0);
	test_verify(p, 8, 1); /* the mapping was and is the program's */
	dev = test_fixed(u, fd, 2 * PAGE, NPAGES);
	CHECK_EQ(uhmm_device_map(dev, p, 8 * PAGE, 4), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(test_stats(u).device_pages, 0);
}

int main(void)
{
	fd = (int)syscall(SYS_memfd_create, "pmem", 0);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (NPAGES + 2) * PAGE), 0);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_fixed(u, fd, 2 * PAGE, NPAGES);
	map();
	check_refused_maps();
	check_counted();
	check_never_moved();
	check_mirrored();
	check_end();
	test_close(u);
	return 0;
}
