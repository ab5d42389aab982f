// SPDX-License-Identifier: MIT
/*
 * A device reports that pages lost their data: just those raise SIGBUS, and are
 * never used again.  What has a good copy in RAM is not lost: pages that only
 * were read, and pages on their way out.
 */
#include "../device.h"

#define NPAGES 64
#define FIRST  20
#define NBAD   5

static struct test_ops ops;

static uint64_t dpfn_of(struct uhmm *u, char *page)
{
	return uhmm_pfn_dpfn(test_pfns(u, page, 1)[0]);
}

static void check_words(char *p, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE),
			 test_word(1, i * PAGE_WORDS));
}

static void fail_at_rest(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev;
	char *p = test_map_blocks(1);

	memset(&ops, 0, sizeof(ops));
	dev = test_device_of(u, &ops, NPAGES + NBAD);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_failed(dev, NPAGES + NBAD, 1), -EINVAL);
	CHECK_EQ(uhmm_device_failed(dev, 0, 0), -EINVAL);
	CHECK_EQ(uhmm_device_failed(dev, 1, UINT64_MAX), -EINVAL);
	for (size_t i = FIRST; i < FIRST + NBAD; i++)
		CHECK_EQ(uhmm_device_failed(dev, dpfn_of(u, p + i * PAGE), 1),
			 0);
	CHECK_EQ(test_info(dev).failed, NBAD);
	CHECK_EQ(test_info(dev).used, NPAGES - NBAD);
	CHECK_EQ(test_stats(u).poisoned, NBAD);
	for (size_t i = FIRST; i < FIRST + NBAD; i++)
		CHECK_EQ(test_read_raises(p + i * PAGE), SIGBUS);
	check_words(p, 0, FIRST);
	check_words(p, FIRST + NBAD, NPAGES);

	/* what is left is just enough */
	CHECK_EQ(munmap(p + FIRST * PAGE, NBAD * PAGE), 0);
	CHECK(mmap(p + FIRST * PAGE, NBAD * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == p + FIRST * PAGE);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_info(dev).used, NPAGES);
	CHECK_EQ(uhmm_migrate(u, p + NPAGES * PAGE, PAGE, dev), 0);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	test_close(u);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

/* All of the device fails while pages go there: they stay. */
static void fail_leaving(void)
{
	struct uhmm *u = test_open();
	char *p = test_map_blocks(1);
	struct test_mover m = { .u = u, .p = p, .npages = NPAGES };

	memset(&ops, 0, sizeof(ops));
	m.dev = test_device_of(u, &ops, NPAGES);
	test_fill(p, NPAGES, 1);
	ops.hold_in = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	CHECK_EQ(uhmm_device_failed(m.dev, 8, NPAGES - 8), 0);
	test_release(&ops);
	test_mover_join(&m);
	CHECK_EQ(m.ret, 8);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(m.why[i], i < 8 ? UHMM_WHY_OK : UHMM_WHY_IO);
	CHECK_EQ(test_info(m.dev).used, 8);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_stats(u).poisoned, 0);
	test_close(u);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

/* And while one comes home: it is lost, whatever the copy says later. */
static void fail_coming(void)
{
	struct uhmm *u = test_open();
	char *p = test_map_blocks(1);
	struct test_mover m = { .u = u, .p = p, .npages = NPAGES };
	struct uhmm_device *dev;
	uint64_t bad;

	memset(&ops, 0, sizeof(ops));
	dev = test_device_of(u, &ops, NPAGES);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	bad = dpfn_of(u, p + 9 * PAGE);
	ops.hold_out = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	CHECK_EQ(uhmm_device_failed(dev, bad, 1), 0);
	test_release(&ops);
	test_mover_join(&m);
	CHECK_EQ(m.ret, NPAGES - 1);
	CHECK_EQ(m.why[9], UHMM_WHY_POISONED);
	CHECK_EQ(test_read_raises(p + 9 * PAGE), SIGBUS);
	check_words(p, 0, 9);
	check_words(p, 10, NPAGES);
	CHECK_SOON(test_info(dev).used == 0);
	test_close(u);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

/* Pages that were read under a limit have their copy on the device still. */
static void fail_clean(bool whole)
{
	struct uhmm *u = test_open();
	char *p = test_map_blocks(1);
	struct uhmm_device *dev;

	memset(&ops, 0, sizeof(ops));
	dev = test_device_of(u, &ops, 16 * NPAGES);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_set_ram_limit(u, 64 << 20), 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	if (whole)
		CHECK_EQ(uhmm_device_lost(dev), 0);
	else
		CHECK_EQ(uhmm_device_failed(dev, 0, 16 * NPAGES), 0);
	CHECK_EQ(test_stats(u).poisoned, 0);
	CHECK_SOON(test_info(dev).used == 0);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES, 3);
	test_verify(p, NPAGES, 3);
	CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) <= 0);
	test_verify(p, NPAGES, 3);
	test_close(u);
	test_verify(p, NPAGES, 3);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

int main(void)
{
	test_catch(SIGBUS);
	fail_at_rest();
	fail_leaving();
	fail_coming();
	fail_clean(false);
	fail_clean(true);
	return 0;
}
