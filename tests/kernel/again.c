// SPDX-License-Identifier: MIT
/*
 * again.c - when a device was closed, and its pages are home, its memory can be
 * added again at once.
 */
#include <unistd.h>

#include "kernel.h"

#define NPAGES 64UL
#define ROUNDS 20

int main(int argc, char **argv)
{
	char *at = map_pages(NPAGES);

	fill(at, NPAGES, 1);
	for (int i = 0; i < ROUNDS; i++) {
		start(argc, argv);
		all_out(at, NPAGES);
		close(device.fd);
	}
	CHECK(is_filled(at, NPAGES, 1));
	return 0;
}
