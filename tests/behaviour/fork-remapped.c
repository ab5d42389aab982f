// SPDX-License-Identifier: MIT
/*
 * A child has all of a mapping that mremap(2) made longer, even when only that
 * is left of it, and what MREMAP_DONTUNMAP left behind.
 */
#include <sys/wait.h>

#include "../context.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define NPAGES 16

/* In a child: data at @p, and nothing after them. */
static void verify_in_child(char *p, size_t filled, size_t npages)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, filled, 1);
		test_verify_zero(p + filled * PAGE, npages - filled);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* A child has the part by which a mapping grew, when the rest is gone. */
static void grow_and_cut(struct uhmm *u, bool again)
{
	char *p = test_map_blocks(1), *tail = p + NPAGES * PAGE;

	CHECK_EQ(munmap(tail, BLOCK - NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	CHECK(mremap(p, NPAGES * PAGE, 2 * NPAGES * PAGE, 0) == p);
	if (again)
		verify_in_child(p, 0, 2 * NPAGES);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_fill(tail, NPAGES, 1);
	verify_in_child(tail, NPAGES, NPAGES);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map_blocks(1), *to = test_map_blocks(1);

	CHECK_EQ(munmap(p + NPAGES * PAGE, BLOCK - NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK(mremap(p, NPAGES * PAGE, 2 * NPAGES * PAGE, 0) == p);
	verify_in_child(p, NPAGES, 2 * NPAGES);

	CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		     to) == to);
	verify_in_child(p, 0, NPAGES);
	verify_in_child(to, NPAGES, NPAGES);
	test_verify(to, NPAGES, 1);
	grow_and_cut(u, false);
	grow_and_cut(u, true);
	test_close(u);
	return 0;
}
