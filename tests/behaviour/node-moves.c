// SPDX-License-Identifier: MIT
/*
 * Pages go to a NUMA node and come home by request: at the same address, with
 * their data, without a fault; the kernel finds them where uhmm says they are.
 * Also from and to a private device, what was never touched, what was only
 * read, and parts of huge pages.
 */
#include <uhmm/alloc.h>

#include "../node.h"

#define NPAGES 1700

static struct uhmm *u;
static struct uhmm_device *dev;

static void test_there_and_back(void)
{
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_all_on(u, p, NPAGES, dev);
	CHECK_EQ(test_info(dev).used, NPAGES);
	CHECK_EQ(test_info(dev).pages_in, NPAGES);
	CHECK_EQ(test_stats(u).device_pages, NPAGES);
	CHECK_EQ(test_stats(u).to_device, NPAGES);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), NPAGES);
	CHECK_EQ(test_info(dev).pages_in, NPAGES);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES, 2);
	test_all_on(u, p, NPAGES, dev);

	test_move(u, p, NPAGES, NULL);
	test_all_on(u, p, NPAGES, NULL);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(test_info(dev).pages_out, NPAGES);
	CHECK_EQ(test_stats(u).to_ram, NPAGES);
	CHECK_EQ(test_stats(u).device_pages, 0);
	CHECK_EQ(test_stats(u).faults, 0);
	test_verify(p, NPAGES, 2);
	munmap(p, NPAGES * PAGE);
}

static void test_scattered(void)
{
	char *p = test_map_blocks(1);

	test_fill(p, BLOCK_PAGES, 3);
	for (size_t i = 0; i < BLOCK_PAGES; i += 7)
		CHECK_EQ(uhmm_migrate(u, p + i * PAGE, PAGE, dev), 1);
	CHECK_EQ(test_count_on(u, p, BLOCK_PAGES, dev), (BLOCK_PAGES + 6) / 7);
	CHECK_EQ(test_count_node(p, BLOCK_PAGES, test_node()),
		 (BLOCK_PAGES + 6) / 7);
	test_verify(p, BLOCK_PAGES, 3);
	test_move(u, p, BLOCK_PAGES, NULL);
	test_all_on(u, p, BLOCK_PAGES, NULL);
	test_verify(p, BLOCK_PAGES, 3);
	munmap(p, BLOCK);
}

static void test_untouched(void)
{
	char *p = test_map(NPAGES);

	test_verify_zero(p, 300); /* the page of zeroes is there now */
	test_fill(p + 500 * PAGE, 100, 4);
	test_move(u, p, NPAGES, dev);
	test_all_on(u, p, NPAGES, dev);
	test_verify_zero(p, 500);
	test_verify(p + 500 * PAGE, 100, 4);
	test_verify_zero(p + 600 * PAGE, NPAGES - 600);
	munmap(p, NPAGES * PAGE);
	CHECK_SOON(test_info(dev).used == 0);
}

static void test_private(void)
{
	struct uhmm_device *ram = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	for (uint64_t round = 0; round < 2; round++) {
		test_fill(p, NPAGES, round);
		test_move(u, p, NPAGES, ram);
		test_move(u, p, NPAGES, dev);
		test_all_on(u, p, NPAGES, dev);
		CHECK_SOON(test_info(ram).used == 0);
		test_move(u, p, NPAGES / 2, ram);
		CHECK_EQ(test_info(dev).used, NPAGES - NPAGES / 2);
		test_verify(p, NPAGES, round);
		test_move(u, p, NPAGES, ram);
		CHECK_EQ(test_info(dev).used, 0);
		test_verify(p, NPAGES, round);
	}
	CHECK_EQ(uhmm_device_remove(ram), 0);
	munmap(p, NPAGES * PAGE);
}

static void test_huge(void)
{
	char *p = test_map_blocks(2);

	madvise(p, 2 * BLOCK, MADV_HUGEPAGE);
	test_fill(p, 2 * BLOCK_PAGES, 5);
	test_move(u, p, BLOCK_PAGES, dev); /* whole */
	test_all_on(u, p, BLOCK_PAGES, dev);
	test_move(u, p + BLOCK + 100 * PAGE, 50, dev); /* and in part */
	CHECK_EQ(test_count_node(p, 2 * BLOCK_PAGES, test_node()),
		 BLOCK_PAGES + 50);
	test_move(u, p + 200 * PAGE, 100, NULL);
	CHECK_EQ(test_count_node(p, 2 * BLOCK_PAGES, test_node()),
		 BLOCK_PAGES - 50);
	CHECK_EQ(test_info(dev).used, BLOCK_PAGES - 50);
	test_verify(p, 2 * BLOCK_PAGES, 5);
	munmap(p, 2 * BLOCK);
}

/* New memory begins there; what was touched before stays. */
static void test_preferred(void)
{
	void *q;
	char *p;

	CHECK_EQ(uhmm_alloc(u, NPAGES * PAGE, dev, &q), 0);
	test_all_on(u, q, NPAGES, dev);
	test_verify_zero(q, NPAGES);
	test_fill(q, NPAGES, 8);
	test_all_on(u, q, NPAGES, dev);
	CHECK_EQ(uhmm_free(u, q, NPAGES * PAGE), 0);
	CHECK_SOON(test_info(dev).used == 0);
	p = test_map(NPAGES);
	madvise(p, NPAGES * PAGE, MADV_NOHUGEPAGE); /* it would touch more */
	test_fill(p, 100, 9);
	CHECK_EQ(uhmm_prefer(u, p, NPAGES * PAGE, dev), NPAGES - 100);
	CHECK_EQ(test_count_node(p, NPAGES, test_node()), NPAGES - 100);
	test_verify(p, 100, 9);
	munmap(p, NPAGES * PAGE);
	CHECK_SOON(test_info(dev).used == 0);
}

/* Pages go there by name only, as to the others, unless it is a tier. */
static void test_tier(void)
{
	struct uhmm *v =
		test_open_with((struct uhmm_params){ .ram_limit = 4ul << 20 });
	struct uhmm_device *tier;
	char *p = test_map(NPAGES);

	CHECK_EQ(uhmm_device_remove(dev), 0);
	tier = test_node_device(v, "64M");
	CHECK_EQ(uhmm_register(v, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 10);
	CHECK_EQ(test_info(tier).used, 0);
	CHECK_EQ(uhmm_device_tier(tier, true), 0);
	CHECK_SOON(test_stats(v).ram_pages <= 1024);
	CHECK(test_count_node(p, NPAGES, test_node()) >= NPAGES - 1024);
	test_verify(p, NPAGES, 10);
	CHECK_EQ(test_stats(v).faults, 0);
	test_close(v);
	test_all_on(u, p, NPAGES, NULL);
	test_verify(p, NPAGES, 10);
	munmap(p, NPAGES * PAGE);
	dev = test_node_device(u, "");
}

static void test_pins(void)
{
	static uint8_t why[NPAGES];
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 6);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_pin(u, p + 10 * PAGE, 5 * PAGE), 0);
	CHECK_EQ(test_count_node(p, NPAGES, test_node()), NPAGES - 5);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 5);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i],
			 i >= 10 && i < 15 ? UHMM_WHY_PINNED : UHMM_WHY_OK);
	CHECK_EQ(uhmm_unpin(u, p + 10 * PAGE, 5 * PAGE), 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 6);
	munmap(p, NPAGES * PAGE);
}

static void test_full(void)
{
	static uint8_t why[NPAGES];
	char *p = test_map(NPAGES);

	CHECK_EQ(uhmm_device_remove(dev), 0);
	dev = test_node_device(u, "4M");
	test_fill(p, NPAGES, 7);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), 1024);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i], i < 1024 ? UHMM_WHY_OK : UHMM_WHY_NO_ROOM);
	CHECK_EQ(test_count_node(p, NPAGES, test_node()), 1024);
	test_verify(p, NPAGES, 7);
	munmap(p, NPAGES * PAGE);
}

int main(void)
{
	u = test_open();
	dev = test_node_device(u, "");
	CHECK(test_info(dev).npages * PAGE > 64ul << 20);
	test_there_and_back();
	test_scattered();
	test_untouched();
	test_private();
	test_huge();
	test_preferred();
	test_tier();
	test_pins();
	test_full();
	test_close(u);
	return 0;
}
