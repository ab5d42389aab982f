// SPDX-License-Identifier: MIT
/*
 * Pages go to a device of the kernel module and come home by request, with
 * their data; uhmm says where they are, and so does the kernel.  A touch brings
 * a page home from a private device, and leaves it on a coherent one; the
 * library serves no fault for it.
 */
#include <sys/uio.h>

#include "../kmod.h"

#define NPAGES 1700

static struct uhmm *u;
static struct uhmm_device *dev;
static bool is_coherent;

static void all_on(const void *p, size_t npages, struct uhmm_device *where)
{
	CHECK_EQ(test_count_on(u, p, npages, where), npages);
	CHECK_EQ(test_count_private(p, npages),
		 where && !is_coherent ? npages : 0);
}

static void test_there_and_back(void)
{
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	all_on(p, NPAGES, dev);
	CHECK_EQ(test_info(dev).used, NPAGES);
	CHECK_EQ(test_info(dev).pages_in, NPAGES);
	CHECK_EQ(test_stats(u).device_pages, NPAGES);
	test_move(u, p, NPAGES, NULL);
	all_on(p, NPAGES, NULL);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(test_info(dev).pages_out, NPAGES);
	test_verify(p, NPAGES, 1);
	munmap(p, NPAGES * PAGE);
}

static void test_touch(void)
{
	uint64_t faults = test_stats(u).faults;
	size_t left = is_coherent ? NPAGES : NPAGES - 100;
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	test_verify(p, 100, 2);
	all_on(p + 100 * PAGE, NPAGES - 100, dev);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), left);
	CHECK_EQ(test_info(dev).used, left);
	CHECK_EQ(test_stats(u).device_pages, left);
	CHECK_EQ(uhmm_range_pages(u, p, NPAGES * PAGE, dev), left);
	test_verify(p, 200, 2); /* and then a move, without a look */
	test_move(u, p, NPAGES, dev);
	all_on(p, NPAGES, dev);
	test_fill(p, NPAGES, 3);
	CHECK_EQ(test_info(dev).used, is_coherent ? NPAGES : 0);
	test_verify(p, NPAGES, 3);
	CHECK_EQ(test_stats(u).faults, faults);
	munmap(p, NPAGES * PAGE);
	CHECK_SOON(test_info(dev).used == 0);
}

static void test_untouched(void)
{
	char *p = test_map(NPAGES);

	test_verify_zero(p, 300); /* the page of zeroes is there now */
	test_fill(p + 500 * PAGE, 100, 4);
	test_move(u, p, NPAGES, dev);
	all_on(p, NPAGES, dev);
	test_verify_zero(p, 500);
	test_verify(p + 500 * PAGE, 100, 4);
	test_verify_zero(p + 600 * PAGE, NPAGES - 600);
	munmap(p, NPAGES * PAGE);
}

static void test_scattered(void)
{
	char *p = test_map_blocks(1);
	size_t n = (BLOCK_PAGES + 6) / 7;

	test_fill(p, BLOCK_PAGES, 5);
	for (size_t i = 0; i < BLOCK_PAGES; i += 7)
		CHECK_EQ(uhmm_migrate(u, p + i * PAGE, PAGE, dev), 1);
	CHECK_EQ(test_count_on(u, p, BLOCK_PAGES, dev), n);
	test_verify(p, BLOCK_PAGES, 5);
	munmap(p, BLOCK);
}

static void test_huge(void)
{
	char *p = test_map_blocks(2);

	madvise(p, 2 * BLOCK, MADV_HUGEPAGE);
	test_fill(p, 2 * BLOCK_PAGES, 6);
	test_move(u, p, BLOCK_PAGES, dev);
	all_on(p, BLOCK_PAGES, dev);
	test_move(u, p + BLOCK + 100 * PAGE, 50, dev);
	CHECK_EQ(test_count_on(u, p, 2 * BLOCK_PAGES, dev), BLOCK_PAGES + 50);
	test_verify(p, 2 * BLOCK_PAGES, 6);
	munmap(p, 2 * BLOCK);
}

/* Between a device with callbacks and this one, and from one to itself. */
static void test_between(void)
{
	struct uhmm_device *ram = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 7);
	test_move(u, p, NPAGES, ram);
	test_move(u, p, NPAGES, dev);
	all_on(p, NPAGES, dev);
	CHECK_SOON(test_info(ram).used == 0);
	test_move(u, p, NPAGES / 2, ram);
	CHECK_EQ(test_info(dev).used, NPAGES - NPAGES / 2);
	test_verify(p, NPAGES, 7);
	CHECK_EQ(uhmm_device_remove(ram), 0);
	munmap(p, NPAGES * PAGE);
}

/* The kernel itself reads and writes pages that are away. */
static void test_system_calls(void)
{
	char *p = test_map(20), *q = test_map(20);
	struct iovec to = { q, 20 * PAGE }, from = { p, 20 * PAGE };
	int fd = open("/proc/self/mem", O_RDWR);

	CHECK(fd >= 0);
	test_fill(p, 20, 8);
	test_move(u, p, 20, dev);
	CHECK_EQ(process_vm_readv(getpid(), &to, 1, &from, 1, 0), 20 * PAGE);
	test_verify(q, 20, 8);
	test_move(u, p, 20, dev);
	CHECK_EQ(pread(fd, q, 20 * PAGE, (off_t)(uintptr_t)p), 20 * PAGE);
	test_verify(q, 20, 8);
	test_fill(q, 20, 9);
	test_move(u, p, 20, dev);
	CHECK_EQ(pwrite(fd, q, 20 * PAGE, (off_t)(uintptr_t)p), 20 * PAGE);
	test_verify(p, 20, 9);
	close(fd);
	munmap(p, 20 * PAGE);
	munmap(q, 20 * PAGE);
}

static void test_pins(void)
{
	static uint8_t why[NPAGES];
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 10);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_pin(u, p + 10 * PAGE, 5 * PAGE), 0);
	CHECK_EQ(test_info(dev).used, NPAGES - 5);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 5);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i],
			 i >= 10 && i < 15 ? UHMM_WHY_PINNED : UHMM_WHY_OK);
	CHECK_EQ(uhmm_unpin(u, p + 10 * PAGE, 5 * PAGE), 0);
	test_verify(p, NPAGES, 10);
	munmap(p, NPAGES * PAGE);
}

/* Pages come home by themselves, and leave again under a limit. */
static void test_tier(void)
{
	struct uhmm *v =
		test_open_with((struct uhmm_params){ .ram_limit = 4ul << 20 });
	struct uhmm_device *tier;
	char *p = test_map(NPAGES);

	tier = test_kmod(v, false);
	CHECK_EQ(uhmm_device_tier(tier, true), 0);
	CHECK_EQ(uhmm_register(v, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 11);
	CHECK_SOON(test_stats(v).ram_pages <= 1024);
	CHECK(test_info(tier).used >= NPAGES - 1024);
	test_verify(p, NPAGES, 11);
	CHECK_SOON(test_stats(v).ram_pages <= 1024);
	test_close(v);
	CHECK_EQ(test_count_private(p, NPAGES), 0);
	test_verify(p, NPAGES, 11);
	munmap(p, NPAGES * PAGE);
}

static void test_remove(void)
{
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 12);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	all_on(p, NPAGES, NULL);
	dev = test_kmod(u, is_coherent);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(test_info(dev).used, 0);
	test_verify(p, NPAGES, 12);
	test_move(u, p, NPAGES, dev);
	test_close(u);
	CHECK_EQ(test_count_private(p, NPAGES), 0);
	test_verify(p, NPAGES, 12);
	munmap(p, NPAGES * PAGE);
}

static void test_all(void)
{
	u = test_open();
	dev = test_kmod(u, is_coherent);
	test_there_and_back();
	test_touch();
	test_untouched();
	test_scattered();
	test_huge();
	test_between();
	test_system_calls();
	test_pins();
	test_remove();
}

int main(void)
{
	test_all();
	test_tier();
	is_coherent = true;
	if (test_has_coherent_kmod())
		test_all();
	return 0;
}
