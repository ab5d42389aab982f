// SPDX-License-Identifier: MIT
/*
 * Memory that others may read is cleared when its pages are freed, however they
 * came to be: nothing is handed out or left behind that says what was there.
 * A page that cannot be cleared is never used again.
 */
#include <uhmm/provider.h>

#include "../context.h"

#define NPAGES 64
#define NBAD   5 /* a device page that cannot be cleared, if there is one */

static struct {
	_Alignas(MAX_PAGE) unsigned char pages[2 * NPAGES * MAX_PAGE];
	_Atomic bool has_bad, released;
	_Atomic unsigned bad_in; /* writes of data to the bad page */
} memory;

static const unsigned char zero[MAX_PAGE];

static unsigned char *page_at(uint64_t dpfn)
{
	return memory.pages + dpfn * PAGE;
}

static bool is_zero(const void *page)
{
	return !memcmp(page, zero, PAGE);
}

static bool is_bad(uint64_t dpfn)
{
	return atomic_load(&memory.has_bad) && dpfn == NBAD;
}

static int copy_page(uint64_t dpfn, const void *ram)
{
	if (is_zero(ram)) { /* it is being cleared */
		memset(page_at(dpfn), 0, is_bad(dpfn) ? 0 : PAGE);
		return is_bad(dpfn) ? -EIO : 0;
	}
	CHECK(is_zero(page_at(dpfn)));
	atomic_fetch_add(&memory.bad_in, dpfn == NBAD);
	memcpy(page_at(dpfn), ram, PAGE);
	return 0;
}

static int copy_in(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = 0;

	(void)priv;
	for (; nr; seg++, nr--)
		for (size_t i = 0; i < seg->npages && !err; i++)
			err = copy_page(seg->dpfn + i,
					(char *)seg->ram + i * PAGE);
	return err;
}

static int copy_out(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	for (; nr; seg++, nr--)
		memcpy(seg->ram, page_at(seg->dpfn), seg->npages * PAGE);
	return 0;
}

static int clear(void *priv, uint64_t dpfn, size_t npages)
{
	(void)priv;
	for (size_t i = 0; i < npages; i++) {
		if (is_bad(dpfn + i))
			return -EIO;
		memset(page_at(dpfn + i), 0, PAGE);
	}
	return 0;
}

static size_t count_used(void)
{
	size_t n = 0;

	for (size_t i = 0; i < 2 * NPAGES; i++)
		n += !is_zero(page_at(i));
	return n;
}

static void release(void *priv)
{
	(void)priv;
	CHECK_EQ(count_used(), atomic_load(&memory.has_bad));
	atomic_store(&memory.released, true);
}

static struct uhmm_device *add_device(struct uhmm *u, bool clears)
{
	static const struct uhmm_device_ops ops[] = {
		{ .size = sizeof(*ops),
		  .copy_to_devmem = copy_in,
		  .copy_to_ram = copy_out,
		  .release = release },
		{ .size = sizeof(*ops),
		  .copy_to_devmem = copy_in,
		  .copy_to_ram = copy_out,
		  .clear = clear,
		  .release = release },
	};
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "shared",
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.flags = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_SHARED,
		.npages = 2 * NPAGES,
		.ops = &ops[clears],
	};
	struct uhmm_device *dev;

	memset(&memory, 0, sizeof(memory));
	CHECK_EQ(uhmm_device_add(u, &desc, NULL, &dev), 0);
	return dev;
}

/* Pages leave the device one by one, in a stream, by a call, or for nothing. */
static void use_all_ways(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(count_used(), NPAGES);
	CHECK_EQ(*(uint64_t *)(p + 50 * PAGE), test_word(1, 50 * PAGE_WORDS));
	for (size_t i = 0; i < 10; i++)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE),
			 test_word(1, i * PAGE_WORDS));
	CHECK(uhmm_migrate(u, p + 10 * PAGE, 10 * PAGE, NULL) >= 0);
	CHECK_EQ(madvise(p + 20 * PAGE, 10 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(munmap(p + 30 * PAGE, 10 * PAGE), 0);
	CHECK_SOON(test_info(dev).used ==
		   test_count_on(u, p, 30, dev) +
			   test_count_on(u, p + 40 * PAGE, 24, dev));
	CHECK_SOON(count_used() == test_info(dev).used);
}

static void test_freed(bool clears, bool removed)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = add_device(u, clears);
	char *p = test_map_blocks(1);

	use_all_ways(u, dev, p);
	CHECK(test_info(dev).used > 0);
	if (removed)
		CHECK_EQ(uhmm_device_remove(dev), 0);
	test_close(u);
	CHECK(atomic_load(&memory.released));
	munmap(p, BLOCK);
}

static void test_bad(bool clears)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = add_device(u, clears);
	char *p = test_map_blocks(1);

	uhmm_set_log(u, test_no_log, NULL);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	atomic_store(&memory.has_bad, true);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES);
	CHECK_EQ(test_info(dev).failed, 1);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(count_used(), 1);
	CHECK_EQ(atomic_load(&memory.bad_in), 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(atomic_load(&memory.bad_in), 1);
	test_verify(p, NPAGES, 1);
	test_close(u);
	munmap(p, BLOCK);
}

/* A file that others may open, in the place of a device. */
static void test_file(void)
{
	char name[] = "/dev/shm/uhmm-scrub-XXXXXX", spec[64];
	int fd = mkstemp(name);
	struct uhmm *u = test_open();
	struct uhmm_device *dev;
	char *p = test_map_blocks(1), page[MAX_PAGE];

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)BLOCK), 0);
	snprintf(spec, sizeof(spec), "dax,path=%s", name);
	dev = test_device(u, spec);
	CHECK_EQ(unlink(name), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(pread(fd, page, PAGE, 0), PAGE);
	CHECK(!is_zero(page));
	test_move(u, p, NPAGES / 2, NULL);
	CHECK_EQ(munmap(p + NPAGES / 2 * PAGE, NPAGES / 4 * PAGE), 0);
	test_close(u); /* the rest comes home */
	test_verify(p, NPAGES / 2, 1);
	for (size_t i = 0; i < BLOCK_PAGES; i++) {
		CHECK_EQ(pread(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK(is_zero(page));
	}
	close(fd);
	munmap(p, BLOCK);
}

int main(void)
{
	test_file();
	for (int clears = 0; clears < 2; clears++) {
		test_freed(clears, false);
		test_freed(clears, true);
		test_bad(clears);
	}
	return 0;
}
