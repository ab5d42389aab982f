// SPDX-License-Identifier: MIT
/*
 * uhmm_ranges() lists what is managed, and its figures are those of
 * /proc/self/smaps: what it says is in RAM is the Rss of the range, and each
 * page is counted once.
 */
#include "../context.h"

#define NBLOCKS 3

static struct uhmm *u;

/* Bytes of Rss of what lies in [start, end). */
static uint64_t rss(const char *start, const char *end)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool ours = false;
	char line[512];
	uint64_t sum = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long s, e, kb;

		if (sscanf(line, "%lx-%lx ", &s, &e) == 2)
			ours = s >= (uintptr_t)start && e <= (uintptr_t)end;
		else if (ours && sscanf(line, "Rss: %lu kB", &kb) == 1)
			sum += kb << 10;
	}
	fclose(f);
	return sum;
}

static struct uhmm_range first_from(const char *p)
{
	struct uhmm_range r[2] = { { .size = sizeof(*r) } };
	ssize_t n = uhmm_ranges(u, p, r, 2);

	CHECK(n >= 1);
	CHECK(r[0].addr == p);
	CHECK_EQ(r[0].ram_pages + r[0].frozen_pages + r[0].device_pages +
			 r[0].poisoned_pages + r[0].empty_pages,
		 r[0].len / PAGE);
	return r[0];
}

/* The one range from @p on, while nothing moves. */
static struct uhmm_range range_at(const char *p)
{
	struct uhmm_range r = first_from(p);

	CHECK_EQ(r.ram_pages * PAGE, rss(p, p + r.len));
	return r;
}

static void test_figures(void)
{
	struct uhmm_device *dev[2] = { test_device(u, "ram:8M"),
				       test_device(u, "ram:8M") };
	char *p = test_map_blocks(NBLOCKS);
	struct uhmm_range r = { .size = sizeof(r) };
	volatile char *zero = p + 2 * BLOCK;

	CHECK_EQ(uhmm_register(u, p, NBLOCKS * BLOCK), 0);
	r = range_at(p);
	CHECK_EQ(r.len, NBLOCKS * BLOCK);
	CHECK_EQ(r.empty_pages, NBLOCKS * BLOCK_PAGES);
	test_fill(p, BLOCK_PAGES, 1);
	CHECK_EQ(range_at(p).ram_pages, BLOCK_PAGES);
	CHECK_EQ(*zero, 0); /* a page that is read only may be no memory */
	CHECK(range_at(p).ram_pages <= BLOCK_PAGES + 1);
	CHECK_EQ(madvise(p + 2 * BLOCK, PAGE, MADV_DONTNEED), 0);

	test_move(u, p, 100, dev[0]);
	test_move(u, p + 100 * PAGE, 50, dev[1]);
	r = range_at(p);
	CHECK_EQ(r.ram_pages, BLOCK_PAGES - 150);
	CHECK_EQ(r.device_pages, 150);
	CHECK_EQ(uhmm_range_pages(u, p, BLOCK, dev[0]), 100);
	CHECK_EQ(uhmm_range_pages(u, p, BLOCK, dev[1]), 50);
	CHECK_EQ(uhmm_range_pages(u, p + 90 * PAGE, 20 * PAGE, dev[0]), 10);
	CHECK_EQ(uhmm_range_pages(u, p, BLOCK, NULL), BLOCK_PAGES - 150);
	CHECK_EQ(munmap(p + BLOCK, PAGE), 0); /* two now */
	CHECK_SOON(range_at(p).len == BLOCK);
	CHECK_EQ(range_at(p + BLOCK + PAGE).empty_pages, 2 * BLOCK_PAGES - 1);
	CHECK_EQ(munmap(p, NBLOCKS * BLOCK), 0);
}

/*
 * Is all RAM where the figures say?  They are read one after another: while
 * pages are demoted they are of different moments.
 */
static bool agrees(const char *p)
{
	struct uhmm_range r = first_from(p);
	struct uhmm_stats s = test_stats(u);

	return r.ram_pages * PAGE == rss(p, p + r.len) && !r.empty_pages &&
	       s.ram_pages <= BLOCK_PAGES &&
	       r.ram_pages + r.frozen_pages + s.pool_pages == s.ram_pages;
}

/* Under a limit pages are frozen for a while: nothing is lost from sight. */
static void test_limited(void)
{
	char *p = test_map_blocks(NBLOCKS);

	CHECK_EQ(uhmm_register(u, p, NBLOCKS * BLOCK), 0);
	test_fill(p, NBLOCKS * BLOCK_PAGES, 1);
	CHECK_EQ(uhmm_set_ram_limit(u, BLOCK), 0);
	CHECK_SOON(agrees(p));
	test_verify(p, NBLOCKS * BLOCK_PAGES, 1);
	CHECK_EQ(munmap(p, NBLOCKS * BLOCK), 0);
}

static void test_errors(void)
{
	struct uhmm_range r = { .size = sizeof(r) };
	char *p = test_map(4);

	CHECK_EQ(uhmm_ranges(NULL, NULL, &r, 1), -EINVAL);
	CHECK_EQ(uhmm_ranges(u, NULL, NULL, 1), -EINVAL);
	CHECK_EQ(uhmm_ranges(u, NULL, NULL, 0), 0);
	CHECK_EQ(uhmm_range_pages(u, p + 1, PAGE, NULL), -EINVAL);
	CHECK_EQ(uhmm_range_pages(u, p, 0, NULL), -EINVAL);
	CHECK_EQ(uhmm_range_pages(u, p, 4 * PAGE, NULL), 0);
}

int main(void)
{
	u = test_open();
	test_errors();
	test_figures();
	test_limited();
	test_close(u);
	return 0;
}
