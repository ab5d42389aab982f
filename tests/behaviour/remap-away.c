// SPDX-License-Identifier: MIT
/*
 * mremap(2) of pages on a device: their data are at the new address, whether
 * it moved, grew where it was or shrank, and can migrate on from there.  What
 * is new is zero, what is mapped at the old address is new.
 */
#include "../context.h"

#define NPAGES 900

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:32M");
	char *room = test_map_blocks(8), *p = room + BLOCK + 7 * PAGE;
	char *to = room + 4 * BLOCK + 100 * PAGE;

	munmap(room, 8 * BLOCK);
	CHECK(mmap(p, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);

	CHECK(mremap(p, NPAGES * PAGE, (NPAGES + 50) * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	test_verify(to, NPAGES / 2, 1);
	test_verify_zero(to + NPAGES * PAGE, 50);
	test_move(u, to, NPAGES + 50, dev);
	CHECK_SOON(test_info(dev).used == NPAGES + 50);
	CHECK(mmap(p, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p);
	test_verify_zero(p, NPAGES);

	CHECK(mremap(to, (NPAGES + 50) * PAGE, (NPAGES + 90) * PAGE, 0) == to);
	test_verify(to, NPAGES, 1);
	test_verify_zero(to + NPAGES * PAGE, 90);
	test_fill(to, NPAGES + 90, 2);
	test_move(u, to, NPAGES + 90, dev);
	CHECK(mremap(to, (NPAGES + 90) * PAGE, 100 * PAGE, 0) == to);
	CHECK_SOON(test_info(dev).used == 100);
	test_verify(to, 100, 2);
	CHECK_EQ(munmap(to, 100 * PAGE), 0);
	CHECK_SOON(test_info(dev).used == 0);
	test_close(u);
	return 0;
}
