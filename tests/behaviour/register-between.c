// SPDX-License-Identifier: MIT
/*
 * While a range is taken in, some of it is unmapped before the kernel is told,
 * and mapped anew before the library notes what it has: what is mapped there
 * now keeps its data when it moves, like the rest.
 *
 * The step is a function of the library, which is wrapped here.
 */
#include "../context.h"

#define NPAGES 16
#define HOLE   5
#define NHOLE  2

int __real_uffd_register(int fd, uintptr_t start, size_t len, uint64_t mode);
int __wrap_uffd_register(int fd, uintptr_t start, size_t len, uint64_t mode);

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area;
static unsigned nr_holes; /* that are still to be made */

/* Nothing is registered yet, so the kernel tells nobody. */
int __wrap_uffd_register(int fd, uintptr_t start, size_t len, uint64_t mode)
{
	char *hole = area + HOLE * PAGE;
	int err;

	if (!nr_holes || start > (uintptr_t)hole ||
	    start + len < (uintptr_t)hole + NHOLE * PAGE)
		return __real_uffd_register(fd, start, len, mode);
	nr_holes--;
	CHECK_EQ(munmap(hole, NHOLE * PAGE), 0);
	err = __real_uffd_register(fd, start, len, mode);
	CHECK(mmap(hole, NHOLE * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == hole);
	return err;
}

static void verify_moves(uint64_t seed)
{
	test_fill(area, NPAGES, seed);
	test_move(u, area, NPAGES, dev);
	test_verify(area, NPAGES, seed);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	area = test_map_blocks(1);
	nr_holes = 1;
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	CHECK_EQ(nr_holes, 0);
	verify_moves(1);
	area = test_map_blocks(1);
	nr_holes = 1;
	test_fill(area, NPAGES, 2);
	CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
	CHECK_EQ(nr_holes, 0);
	verify_moves(3);
	test_close(u);
	return 0;
}
