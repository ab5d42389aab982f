// SPDX-License-Identifier: MIT
/*
 * A device that refuses what it is given, for want of room or with errors, has
 * nobody wait: the next device is tried, then the limit is passed, counted and
 * said once.  When the device takes pages again the limit holds again.
 */
#include "../context.h"

#define LIMIT  ((size_t)4 << 20)
#define NPAGES (2 * LIMIT / PAGE)

static _Atomic int nr_said;

static void count_said(void *arg, int level, const char *msg)
{
	(void)arg;
	if (level <= 4 && strstr(msg, "is passed"))
		atomic_fetch_add(&nr_said, 1);
	test_no_log(NULL, level, msg);
}

static struct uhmm *open_limited(void)
{
	struct uhmm *u = test_open_with((struct uhmm_params){ .size = 0 });

	atomic_store(&nr_said, 0);
	uhmm_set_log(u, count_said, NULL);
	CHECK_EQ(uhmm_set_ram_limit(u, LIMIT), 0);
	return u;
}

static char *fill(struct uhmm *u)
{
	char *p = test_map_blocks(2 * LIMIT / BLOCK);

	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	test_verify(p, NPAGES, 1);
	return p;
}

/* The first takes nothing: the second, if there is one, takes it all. */
static void refuses_all(const char *first, const char *second)
{
	struct uhmm_device *dev, *next = NULL;
	struct uhmm *u = open_limited();
	char *p;

	dev = test_device(u, first);
	if (second)
		next = test_device(u, second);
	p = fill(u);
	CHECK_EQ(test_info(dev).pages_in, 0);
	if (next) {
		CHECK_SOON(test_info(next).used > 0);
		CHECK_SOON(test_stats(u).ram_pages * PAGE <= LIMIT);
	} else {
		CHECK_SOON(test_stats(u).ram_pages >= NPAGES);
		CHECK(test_stats(u).limit_exceeded > 0);
		CHECK_SOON(atomic_load(&nr_said) == 1);
	}
	test_verify(p, NPAGES, 1);
	CHECK(atomic_load(&nr_said) <= 1);
	test_close(u);
}

/* Errors that come and go hold up nothing. */
static void refuses_some(const char *spec)
{
	struct uhmm *u = open_limited();
	struct uhmm_device *dev = test_device(u, spec);
	char *p = fill(u);

	CHECK(test_info(dev).errors > 0);
	CHECK_SOON(test_stats(u).ram_pages * PAGE <= LIMIT);
	test_verify(p, NPAGES, 1);
	test_close(u);
}

/* The device takes pages after 60 refusals: the limit holds in the end. */
static void recovers(void)
{
	struct uhmm *u = open_limited();
	char *p;

	test_device(u, "error(op=to_dev,errno=ENOSPC,nth=1,count=60)/"
		       "ram:24M");
	p = fill(u);
	CHECK_SOON(test_stats(u).ram_pages * PAGE <= LIMIT);
	test_verify(p, NPAGES, 1);
	test_close(u);
}

/* Room appears when pages are discarded: the pause ends at once. */
static void shrinks(void)
{
	struct uhmm *u = open_limited();
	struct uhmm_device *dev;
	char *p;

	dev = test_device(u, "zram:24M,limit=512K");
	p = fill(u);
	CHECK(test_info(dev).stored_bytes <= 1 << 20);
	CHECK_SOON(atomic_load(&nr_said) == 1);
	CHECK_EQ(madvise(p + NPAGES / 2 * PAGE, NPAGES / 2 * PAGE,
			 MADV_DONTNEED),
		 0);
	CHECK_SOON(test_stats(u).ram_pages * PAGE <= LIMIT);
	test_verify(p, NPAGES / 2, 1);
	test_close(u);
}

int main(void)
{
	refuses_all("error(op=to_dev,errno=ENOSPC)/ram:24M", NULL);
	refuses_all("error(op=to_dev,errno=EIO)/ram:24M", NULL);
	refuses_all("error(op=to_dev,errno=ENOSPC)/ram:24M", "ram:24M");
	refuses_all("error(op=to_dev,errno=ENOMEM)/ram:24M", "zram:24M");
	refuses_some("error(op=to_dev,errno=EIO,rate=1/3)/ram:24M");
	refuses_some("error(op=to_dev,errno=ENOSPC,rate=1/2)/ram:24M");
	recovers();
	shrinks();
	return 0;
}
