// SPDX-License-Identifier: MIT
/*
 * The program moves its one mapping, a part of which was migrated: it is one
 * mapping for mremap(2) still, which makes it longer and moves it, whatever is
 * on a device.  Where that cannot be, it is if all of it was registered first,
 * or before it is moved, as long as nothing was touched in between.
 */
#include "../context.h"

#define SIZE  (4 * BLOCK)
#define NALL  (SIZE / PAGE)
#define LARGE (40 * BLOCK) /* too large to be managed in whole unasked */

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

/* A large one, of which a part is pinned and another on a device. */
static void move_registered(bool first)
{
	char *p = map_apart(LARGE), *to = map_apart(LARGE);

	if (first)
		CHECK_EQ(uhmm_register(u, p, LARGE), 0);
	test_fill(p, NALL, 1);
	CHECK_EQ(uhmm_pin(u, p + 3 * PAGE, PAGE), 0);
	test_move(u, p + BLOCK, 16, dev);
	if (!first)
		CHECK_EQ(uhmm_register(u, p, LARGE), 0);
	CHECK(mremap(p, LARGE, LARGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	test_verify(to, NALL, 1);
	to = mremap(to, LARGE, LARGE + BLOCK, MREMAP_MAYMOVE);
	CHECK(to != MAP_FAILED);
	CHECK_EQ(munmap(to, LARGE + BLOCK), 0);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	move_registered(true);
	move_registered(false);
	if (test_mode_is("inline") || !test_has(u, "kernel-faults")) {
		test_close(u);
		return 0;
	}
	move_part(BLOCK / PAGE, BLOCK / PAGE);
	move_part(0, BLOCK / PAGE);
	move_part(BLOCK / PAGE + 16, 1);
	move_part(NALL - 1, 1);
	test_close(u);
	return 0;
}
