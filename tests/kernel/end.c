// SPDX-License-Identifier: MIT
/*
 * end.c - a device ends with the file that added it: its pages go home, those
 * of other processes too.  A file that is attached can move nothing to it any
 * more, and that is all.
 */
#include <errno.h>
#include <unistd.h>

#include "kernel.h"

#define NPAGES 64UL

static int attach(void)
{
	struct uhmmk_attach attach = {
		.size = sizeof(attach),
		.id = device.id,
	};
	int fd = open_file();

	CHECK_EQ(call(fd, UHMMK_ATTACH, &attach), 0);
	CHECK_EQ(call(fd, UHMMK_ATTACH, &attach), EBUSY);
	return fd;
}

static void use_attached_file(void)
{
	int fd = attach();

	close(device.fd);
	device.fd = fd;
}

static void child(char *at, int told, int tell)
{
	char byte;

	use_attached_file();
	fill(at, NPAGES, 2);
	all_out(at, NPAGES);
	CHECK_EQ(write(tell, "", 1), 1);
	CHECK_EQ(read(told, &byte, 1), 1);
	CHECK_EQ(count_away(at, NPAGES), 0);
	CHECK(is_filled(at, NPAGES, 2));
	_exit(0);
}

int main(int argc, char **argv)
{
	int there[2], back[2], pid;
	char *at, byte;

	start(argc, argv);
	at = map_pages(NPAGES);
	CHECK(pipe(there) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0)
		child(at, there[0], back[1]);
	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	CHECK_EQ(read(back[0], &byte, 1), 1);
	CHECK_EQ(statistics().used, 2 * NPAGES);
	use_attached_file();
	CHECK_EQ(statistics().used, 0);
	CHECK_EQ(out(at, NPAGES), 0);
	CHECK(is_filled(at, NPAGES, 1));
	CHECK_EQ(write(there[1], "", 1), 1);
	expect_child(pid);
	return 0;
}
