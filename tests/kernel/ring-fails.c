// SPDX-License-Identifier: MIT
/*
 * ring-fails.c - what a driver fails to store comes home by itself; what it
 * fails to fetch is tried again, and lost after the third time; a driver that
 * says that its device is gone is believed.
 *
 * type: private
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES 64UL
#define DPFNS  4096

enum {
	WELL,
	FULL,
	TWICE,
	ALWAYS,
	ONE,
	GONE
};

static int moody(struct driver *d, const struct uhmmk_command *c)
{
	static unsigned char tries[DPFNS];
	static uint64_t bad;

	if (c->op == UHMMK_STORE)
		bad = c->dpfn + c->npages / 2;
	if (d->mood == FULL && c->op == UHMMK_STORE)
		return -ENOSPC;
	if (d->mood == TWICE && c->op == UHMMK_FETCH &&
	    (c->npages > 1 || ++tries[c->dpfn] % 3))
		return -EIO;
	if (d->mood == ONE && c->op == UHMMK_FETCH && c->dpfn <= bad &&
	    bad < c->dpfn + c->npages)
		return -EIO;
	if (d->mood == ALWAYS && c->op == UHMMK_FETCH)
		return -EIO;
	if (d->mood == GONE)
		return -ENODEV;
	return keep(d, c);
}

static void out_well(struct driver *d, char *at, unsigned int seed)
{
	uint64_t stores = statistics().stores;

	d->mood = WELL;
	fill(at, NPAGES, seed);
	CHECK_EQ(out(at, NPAGES), NPAGES);
	wait_stored(stores + NPAGES);
}

static void cannot_store(struct driver *d, char *at)
{
	d->mood = FULL;
	for (unsigned int i = 0; i < 8; i++) {
		fill(at, NPAGES, i);
		CHECK(out(at, NPAGES) > 0);
		while (count_away(at, NPAGES))
			usleep(1000);
		CHECK(is_filled(at, NPAGES, i));
	}
	CHECK(statistics().failures > 0);
}

/* One page cannot be read: the others, asked for with it, come home. */
static void one_bad(struct driver *d, char *at)
{
	size_t nr_bad = 0;

	out_well(d, at, 13);
	d->mood = ONE;
	CHECK_EQ(home(at, NPAGES), NPAGES - 1);
	CHECK_EQ(count_away(at, NPAGES), 1);
	for (size_t i = 0; i < NPAGES; i++)
		nr_bad += !can_touch(at + i * PAGE);
	CHECK_EQ(nr_bad, 1);
	madvise(at, NPAGES * PAGE, MADV_DONTNEED);
}

int main(int argc, char **argv)
{
	struct driver *d = start_driver(argc, argv, DPFNS, 64, 20000, moody);
	char *at = map_pages(NPAGES), *other = map_pages(NPAGES);

	cannot_store(d, at);
	one_bad(d, at);
	out_well(d, at, 10);
	d->mood = TWICE;
	CHECK(is_filled(at, NPAGES, 10));
	out_well(d, at, 11);
	d->mood = ALWAYS;
	CHECK(!can_touch(at));
	CHECK_EQ(home(at, 1), 0);
	d->mood = WELL;
	CHECK(!can_touch(at));
	CHECK(is_filled(at + PAGE, 0, 0) && can_touch(at + PAGE));
	munmap(at, NPAGES * PAGE);
	out_well(d, other, 12);
	d->mood = GONE;
	CHECK(!can_touch(other));
	CHECK_EQ(statistics().dead, 1);
	munmap(other, NPAGES * PAGE);
	CHECK_EQ(statistics().used, 0);
	expect_child(d->pid);
	return 0;
}
