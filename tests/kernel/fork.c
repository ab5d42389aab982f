// SPDX-License-Identifier: MIT
/*
 * fork.c - device pages are shared with a child until either writes; a touch of
 * a private one brings it home for both.
 *
 * also: ring
 */
#include <unistd.h>

#include "kernel.h"

#define NPAGES 64UL

static void child(char *at)
{
	CHECK(where(at) == device.id);
	CHECK(is_filled(at, NPAGES, 1));
	fill(at, NPAGES, 2);
	CHECK(is_filled(at, NPAGES, 2));
	all_out(at, NPAGES);
	CHECK(is_filled(at, NPAGES, 2));
	_exit(0);
}

int main(int argc, char **argv)
{
	char *at;
	int pid;

	start(argc, argv);
	at = map_pages(NPAGES);
	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	pid = fork();
	if (pid == 0)
		child(at);
	expect_child(pid);
	CHECK_EQ(where(at) == device.id, device.type == UHMMK_COHERENT);
	CHECK(is_filled(at, NPAGES, 1));
	fill(at, NPAGES, 3);
	CHECK(is_filled(at, NPAGES, 3));
	return 0;
}
