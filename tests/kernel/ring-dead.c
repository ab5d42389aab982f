// SPDX-License-Identifier: MIT
/*
 * ring-dead.c - the driver is killed: what it alone had is lost, and SIGBUS
 * says so; what it had not stored yet comes home; everything else goes on.
 *
 * type: private
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES 64UL

enum {
	WELL,
	MUTE
};

static int moody(struct driver *d, const struct uhmmk_command *c)
{
	return d->mood == MUTE ? NO_ANSWER : keep(d, c);
}

static int try_out(char *at, size_t npages)
{
	struct uhmmk_move move = { .size = sizeof(move),
				   .addr = (uintptr_t)at,
				   .npages = npages,
				   .to = device.id };

	return call(device.fd, UHMMK_MOVE, &move);
}

/* A thread that waits for the driver when it is killed. */
static int start_waiter(char *at)
{
	uint64_t waits = statistics().waits;
	int pid = fork();

	if (pid == 0)
		_exit(can_touch(at));
	while (statistics().waits == waits)
		usleep(1000);
	return pid;
}

int main(int argc, char **argv)
{
	struct driver *d = start_driver(argc, argv, 4096, 256, 600000, moody);
	char *stored = map_pages(NPAGES), *unstored = map_pages(NPAGES);
	char *other = map_pages(NPAGES);
	int pid, fd;

	fill(stored, NPAGES, 1);
	fill(unstored, NPAGES, 2);
	fill(other, NPAGES, 3);
	all_out(stored, NPAGES);
	wait_stored(NPAGES);
	d->mood = MUTE;
	CHECK_EQ(out(unstored, NPAGES), NPAGES);
	pid = start_waiter(stored);
	kill_driver(d);
	expect_child(pid);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(!can_touch(stored + i * PAGE));
	CHECK(is_filled(unstored, NPAGES, 2));
	CHECK_EQ(try_out(other, NPAGES), ENODEV);
	CHECK(is_filled(other, NPAGES, 3));
	CHECK_EQ(statistics().used, NPAGES);
	CHECK_EQ(madvise(stored, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(*stored, 0);

	/* Another driver does not find it, and is not disturbed. */
	fd = device.fd;
	d = start_driver(argc, argv, 4096, 256, 600000, moody);
	all_out(other, NPAGES);
	wait_stored(NPAGES);
	CHECK(is_filled(other, NPAGES, 3));
	CHECK(!can_touch(stored + PAGE));
	munmap(stored, NPAGES * PAGE);
	close(fd);
	kill_driver(d);
	return 0;
}
