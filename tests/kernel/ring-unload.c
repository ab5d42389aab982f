// SPDX-License-Identifier: MIT
/*
 * ring-unload.c - the module is not unloaded while a driver serves, or a page
 * lives that a dead driver had; after a touch has waited, it can be.
 *
 * type: private
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES 16UL

/* The driver dies while this process waits, and has no page left then. */
static void wait_and_die(char *at, struct driver *d)
{
	uint64_t waits = statistics().waits;
	int pid;

	d->delay_us = 10000000;
	pid = fork();
	if (pid == 0)
		_exit(can_touch(at));
	while (statistics().waits == waits)
		usleep(1000);
	kill_driver(d);
	close(device.fd);
	munmap(at, NPAGES * PAGE);
	expect_child(pid);
}

int main(int argc, char **argv)
{
	struct driver *d = start_driver(argc, argv, 4096, 64, 60000, keep);
	char *at = map_pages(NPAGES);

	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	wait_and_die(at, d);
	d = start_driver(argc, argv, 4096, 64, 60000, keep);
	at = map_pages(NPAGES);
	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	close(device.fd);
	CHECK_EQ(unload(), EAGAIN);
	kill_driver(d);
	CHECK_EQ(unload(), EAGAIN);
	CHECK(!can_touch(at));
	munmap(at, NPAGES * PAGE);
	expect_unloaded();
	return 0;
}
