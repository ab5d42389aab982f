// SPDX-License-Identifier: MIT
/*
 * remap.c - a mapping with device pages in it moves, is protected, is cut.
 *
 * also: ring
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "kernel.h"

#define NPAGES 16UL

static char *remap(char *at)
{
	char *to = map_pages(NPAGES);

	to = mremap(at, NPAGES * PAGE, NPAGES * PAGE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(to != MAP_FAILED);
	CHECK_EQ(count_away(to, NPAGES), NPAGES);
	CHECK(is_filled(to, NPAGES, 1));
	return to;
}

static void discard(char *at)
{
	fill(at, NPAGES, 2);
	all_out(at, NPAGES);
	CHECK_EQ(madvise(at, 4 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(count_away(at, NPAGES), NPAGES - 4);
	CHECK(at[0] == 0 && at[4 * PAGE - 1] == 0);
	CHECK_EQ(munmap(at + 8 * PAGE, 4 * PAGE), 0);
	CHECK_EQ(statistics().used, NPAGES - 8);
	CHECK(((uint64_t *)(at + 12 * PAGE))[0] != 0);
}

int main(int argc, char **argv)
{
	char *at;

	start(argc, argv);
	at = map_pages(NPAGES);
	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	at = remap(at);
	home(at, NPAGES);
	all_out(at, NPAGES);
	CHECK_EQ(mprotect(at, NPAGES * PAGE, PROT_READ), 0);
	CHECK(is_filled(at, NPAGES, 1));
	home(at, NPAGES);
	CHECK(mprotect(at, NPAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
	discard(at);
	return 0;
}
