// SPDX-License-Identifier: MIT
/*
 * account.c - a process is charged for its device pages, and for the memory
 * that keeps their data: a limit of its memory cgroup holds for both.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

#define GROUP  "/cgroup/account"
#define NPAGES 1024UL

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

static long charged(void)
{
	char text[32] = "";
	int fd = open(GROUP "/memory.current", O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text) / (long)PAGE;
}

/* The kernel charges ahead, by 64 pages a processor. */
static bool is_about(long npages, long wanted)
{
	return npages > wanted - 128 && npages < wanted + 128;
}

static void under_limit(char *at)
{
	size_t moved;

	write_file(GROUP "/memory.max", "6M");
	moved = out(at, NPAGES);
	CHECK(moved < NPAGES);
	CHECK(is_filled(at, NPAGES, 2));
}

int main(int argc, char **argv)
{
	long before;
	char *at;

	if (mkdir(GROUP, 0755) != 0) {
		printf("no memory cgroups\n");
		return TEST_SKIPPED;
	}
	start(argc, argv);
	write_file(GROUP "/cgroup.procs", "0");
	at = map_pages(NPAGES);
	fill(at, NPAGES, 2);
	before = charged();
	all_out(at, NPAGES);
	if (device.type == UHMMK_PRIVATE)
		before += NPAGES;
	CHECK(is_about(charged(), before));
	home(at, NPAGES);
	if (device.type == UHMMK_PRIVATE) {
		CHECK(is_about(charged(), before - (long)NPAGES));
		under_limit(at);
	}
	write_file("/cgroup/cgroup.procs", "0");
	rmdir(GROUP);
	return 0;
}
