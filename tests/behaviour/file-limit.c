// SPDX-License-Identifier: MIT
/*
 * A file that is larger than the limit on RAM: clean pages are dropped, without
 * any device; dirty pages go to one, and all is in the file at the end.  A
 * child of fork(2) does not have the memory, and nothing is loaded for it.
 */
#include "../file.h"

#define NPAGES 4096
#define LIMIT  1024

static void read_all(struct uhmm *u, char *p)
{
	for (int round = 0; round < 3; round++)
		test_verify(p, NPAGES, 1);
	CHECK(test_stats(u).ram_pages <= LIMIT + 64);
	CHECK_EQ(test_stats(u).device_pages, 0);
	CHECK(test_stats(u).evicted >= NPAGES);
}

static void fork_here(struct uhmm *u, char *p)
{
	uint64_t home = test_stats(u).to_ram;
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		_exit(test_read_raises(p + 5 * PAGE) == SIGSEGV ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(test_stats(u).to_ram <= home + LIMIT);
}

static void write_all(struct uhmm *u, int fd, char *p)
{
	struct uhmm_device *dev = test_device(u, "ram:32M");

	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
	CHECK(test_stats(u).ram_pages <= LIMIT + 64);
	fork_here(u, p);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	test_file_verify(fd, NPAGES, 2);
	test_fill(p, NPAGES, 3);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	test_file_verify(fd, NPAGES, 3);
	CHECK_EQ(test_info(dev).used, 0);
}

int main(void)
{
	struct uhmm_params params = { .ram_limit = LIMIT * PAGE };
	int fd = test_file(NPAGES, 1);
	struct uhmm *u;
	char *p;

	test_catch(SIGSEGV);
	u = test_open_with(params);
	p = test_map_file(u, fd, 0, NPAGES, RW);
	if (test_sees_writes(u)) /* else all pages count as written */
		read_all(u, p);
	write_all(u, fd, p);
	test_close(u);
	return 0;
}
