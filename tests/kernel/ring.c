// SPDX-License-Identifier: MIT
/*
 * ring.c - a driver keeps the data of device pages: they go out in runs, come
 * home by a touch of any kind or in runs, and are shared by a child.
 *
 * type: private
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES	     512UL
#define NR_PAGES_MAX 1024UL

static void by_touch(char *at)
{
	struct uhmmk_stat before = statistics(), after;

	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	wait_stored(before.stores + NPAGES);
	CHECK(is_filled(at, NPAGES, 1));
	CHECK_EQ(count_away(at, NPAGES), 0);
	after = statistics();
	CHECK_EQ(after.fetches - before.fetches, NPAGES);
	/* Pages are fetched ahead of touches that follow each other. */
	CHECK(after.waits > before.waits);
	CHECK(after.waits - before.waits < NPAGES / 4);
	CHECK_EQ(after.used, 0);
	CHECK_EQ(after.lies, 0);
}

/* A page that the driver does not have yet comes home from its slot. */
static void at_once(char *at)
{
	for (unsigned int i = 0; i < 10; i++) {
		fill(at, NPAGES, i);
		CHECK_EQ(out(at, NPAGES), NPAGES);
		CHECK(is_filled(at, NPAGES, i));
	}
}

static void by_move(struct driver *d, char *at)
{
	struct uhmmk_stat before = statistics();
	unsigned int fetches = d->fetches;
	uint8_t why[NPAGES];

	fill(at, NPAGES, 3);
	all_out(at, NPAGES);
	wait_stored(before.stores + NPAGES);
	memset(why, 0xff, sizeof(why));
	CHECK_EQ(move_pages_to(UHMMK_RAM, at, NPAGES, why), NPAGES);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i], UHMMK_MOVED);
	CHECK(is_filled(at, NPAGES, 3));
	CHECK(d->longest > 16);
	CHECK(d->fetches - fetches < NPAGES / 8);
	CHECK_EQ(statistics().faults, before.faults);
}

static void by_kernel(char *at)
{
	struct iovec to = { malloc(NPAGES * PAGE), NPAGES * PAGE };
	struct iovec from = { at, NPAGES * PAGE };
	uint64_t stores = statistics().stores;
	int ends[2], fd = open("/proc/self/mem", O_RDONLY);

	fill(at, NPAGES, 4);
	all_out(at, NPAGES);
	wait_stored(stores + NPAGES);
	CHECK_EQ(process_vm_readv(getpid(), &to, 1, &from, 1, 0),
		 (long)(NPAGES * PAGE));
	CHECK(is_filled(to.iov_base, NPAGES, 4));
	all_out(at, NPAGES);
	wait_stored(stores + 2 * NPAGES);
	CHECK_EQ(pread(fd, to.iov_base, NPAGES * PAGE, (off_t)(uintptr_t)at),
		 (long)(NPAGES * PAGE));
	CHECK(is_filled(to.iov_base, NPAGES, 4));
	all_out(at, NPAGES);
	wait_stored(stores + 3 * NPAGES);
	CHECK(pipe(ends) == 0);
	CHECK_EQ(write(ends[1], at, 8 * PAGE), (long)(8 * PAGE));
	CHECK_EQ(read(ends[0], at + 8 * PAGE, 8 * PAGE), (long)(8 * PAGE));
	CHECK(memcmp(at, at + 8 * PAGE, 8 * PAGE) == 0);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	free(to.iov_base);
}

static void by_child(char *at)
{
	uint64_t stores = statistics().stores;
	int pid;

	fill(at, NPAGES, 5);
	all_out(at, NPAGES);
	wait_stored(stores + NPAGES);
	pid = fork();
	if (pid == 0) {
		CHECK(is_filled(at, NPAGES, 5));
		fill(at, NPAGES, 6);
		all_out(at, NPAGES);
		CHECK(is_filled(at, NPAGES, 6));
		_exit(0);
	}
	CHECK(is_filled(at, NPAGES, 5));
	expect_child(pid);
	CHECK_EQ(statistics().used, 0);
}

/* Unmapped pages can be used again, also if the driver never stored them. */
static void unmapped(struct driver *d, char *at)
{
	d->delay_us = 2000;
	for (int i = 0; i < 4; i++) {
		fill(at, NPAGES, 7);
		CHECK_EQ(out(at, NPAGES), NPAGES);
		CHECK_EQ(madvise(at, NPAGES * PAGE, MADV_DONTNEED), 0);
		for (size_t k = 0; k < NPAGES; k++)
			CHECK_EQ(at[k * PAGE], 0);
	}
	d->delay_us = 0;
}

/* More pages than the device has: they stay, and go when there is room. */
static void full(void)
{
	char *at = map_pages(NR_PAGES_MAX + 64);
	uint8_t why[NR_PAGES_MAX + 64];

	fill(at, NR_PAGES_MAX + 64, 8);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(move_pages_to(device.id, at, NR_PAGES_MAX + 64, why),
			 NR_PAGES_MAX);
		CHECK_EQ(why[NR_PAGES_MAX], UHMMK_FULL);
		CHECK(is_filled(at, NR_PAGES_MAX + 64, 8));
	}
	munmap(at, (NR_PAGES_MAX + 64) * PAGE);
}

int main(int argc, char **argv)
{
	struct driver *d =
		start_driver(argc, argv, NR_PAGES_MAX, 256, 20000, keep);
	char *at = map_pages(NPAGES);

	by_touch(at);
	at_once(at);
	by_move(d, at);
	by_kernel(at);
	by_child(at);
	unmapped(d, at);
	full();
	CHECK_EQ(statistics().lies, 0);
	CHECK_EQ(statistics().failures, 0);
	munmap(at, NPAGES * PAGE);
	kill_driver(d);
	return 0;
}
