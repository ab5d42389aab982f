// SPDX-License-Identifier: MIT
/*
 * The program moves its one mapping, a part of which was migrated: it is one
 * mapping for mremap(2) still, which makes it longer and moves it, whatever is
 * on a device.
 */
#include "../context.h"

#define SIZE (4 * BLOCK)
#define NALL (SIZE / PAGE)

static struct uhmm *u;
static struct uhmm_device *dev;

/* A mapping with unmapped addresses around it. */
static char *map_apart(size_t size)
{
	char *p = test_map_blocks(size / BLOCK + 2);

	CHECK_EQ(munmap(p, BLOCK), 0);
	CHECK_EQ(munmap(p + BLOCK + size, BLOCK), 0);
	return p + BLOCK;
}

static void move_part(size_t first, size_t npages)
{
	char *p = map_apart(SIZE), *to = map_apart(2 * SIZE);

	test_fill(p, NALL, 1);
	test_move(u, p + first * PAGE, npages, dev);
	p = mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	test_verify(p, 1, 1);
	CHECK(mremap(p, 2 * SIZE, 2 * SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to) == to);
	test_verify(to, NALL, 1);
	test_verify_zero(to + SIZE, NALL);
	CHECK_EQ(munmap(to, 2 * SIZE), 0);
	CHECK_EQ(test_info(dev).used, 0);
}

int main(void)
{
	u = test_open();
	if (test_mode_is("inline") || !test_has(u, "kernel-faults"))
		test_skip("only what is asked for is managed");
	dev = test_device(u, "ram:16M");
	move_part(BLOCK / PAGE, BLOCK / PAGE);
	move_part(0, BLOCK / PAGE);
	move_part(BLOCK / PAGE + 16, 1);
	move_part(NALL - 1, 1);
	test_close(u);
	return 0;
}
