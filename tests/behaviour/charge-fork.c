// SPDX-License-Identifier: MIT
/*
 * A fork(2) changes no figure of the parent's but where pages are, which come
 * home for it; in the child groups are of no use, and its memory is its own.
 */
#include <sys/wait.h>

#include "../group.h"

#define NPAGES BLOCK_PAGES

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:8M");
	struct uhmm_group *g = test_group(u, NULL, "g"), *h;
	struct uhmm_group_info info = { .size = sizeof(info) };
	char *p = test_map_blocks(1);
	int status;
	pid_t pid;

	CHECK_EQ(uhmm_charge(u, p, BLOCK, g), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES / 2, dev);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK_EQ(uhmm_group_create(u, g, "h", &h), -ENODEV);
		CHECK_EQ(uhmm_group_query(g, NULL, &info), -ENODEV);
		CHECK_EQ(uhmm_group_set_limit(g, NULL, PAGE), -ENODEV);
		CHECK_EQ(uhmm_charge(u, p, BLOCK, NULL), -ENODEV);
		CHECK_EQ(uhmm_group_destroy(g), -ENODEV);
		test_verify(p, NPAGES, 1);
		test_fill(p, NPAGES, 2);
		_exit(0);
	}
	CHECK_PAGES(g, NULL, NPAGES);
	CHECK_PAGES(g, dev, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	test_verify(p, NPAGES, 1);
	CHECK_PAGES(g, NULL, NPAGES);
	test_limit(g, NULL, BLOCK / 2);
	CHECK_SOON(test_ask(g, NULL).pages <= NPAGES / 2);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
