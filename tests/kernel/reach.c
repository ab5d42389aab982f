// SPDX-License-Identifier: MIT
/*
 * reach.c - the kernel itself reads and writes device pages for calls.
 *
 * also: ring
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

#define NPAGES 16UL

static void by_process(char *at)
{
	char copy[PAGE];
	struct iovec to = { copy, PAGE }, from = { at, PAGE };
	int fd = open("/proc/self/mem", O_RDONLY);

	CHECK(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (long)PAGE);
	CHECK_EQ(memcmp(copy, at, PAGE), 0);
	CHECK_EQ(pread(fd, copy, PAGE, (uintptr_t)(at + PAGE)), (long)PAGE);
	CHECK_EQ(memcmp(copy, at + PAGE, PAGE), 0);
	close(fd);
}

static void by_pipe(char *at)
{
	struct iovec page = { at + 2 * PAGE, PAGE };
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(write(ends[1], at, PAGE), (long)PAGE);
	CHECK_EQ(read(ends[0], at + PAGE, PAGE), (long)PAGE);
	CHECK_EQ(memcmp(at, at + PAGE, PAGE), 0);
	CHECK(vmsplice(ends[1], &page, 1, 0) == (long)PAGE);
	CHECK_EQ(read(ends[0], at, PAGE), (long)PAGE);
	CHECK_EQ(memcmp(at, at + 2 * PAGE, PAGE), 0);
}

static void by_file(char *at)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, at, PAGE, 0), (long)PAGE);
	CHECK_EQ(pread(fd, at + PAGE, PAGE, 0), (long)PAGE);
	CHECK_EQ(memcmp(at, at + PAGE, PAGE), 0);
	close(fd);
}

int main(int argc, char **argv)
{
	static void (*const ways[])(char *) = { by_process, by_pipe, by_file };
	char *at;

	start(argc, argv);
	at = map_pages(NPAGES);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		home(at, NPAGES);
		fill(at, NPAGES, 1);
		all_out(at, NPAGES);
		ways[i](at);
	}
	home(at, NPAGES);
	all_out(at, NPAGES);
	CHECK_EQ(syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_EQ(mlock(at + PAGE, PAGE), 0);
	return 0;
}
