// SPDX-License-Identifier: MIT
/*
 * unload.c - the module is not unloaded while a page of it lives, also after
 * every file was closed; afterwards it is.  A pinned coherent page is such a
 * page; no private one can be pinned.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

int main(int argc, char **argv)
{
	struct iovec page = { NULL, PAGE };
	int ends[2];

	start(argc, argv);
	page.iov_base = map_pages(1);
	fill(page.iov_base, 1, 1);
	all_out(page.iov_base, 1);
	CHECK_EQ(unload(), EAGAIN);
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(vmsplice(ends[1], &page, 1, 0), (long)PAGE);
	close(device.fd);
	if (device.type == UHMMK_COHERENT)
		CHECK_EQ(unload(), EAGAIN);
	CHECK(is_filled(page.iov_base, 1, 1));
	munmap(page.iov_base, PAGE);
	close(ends[0]);
	close(ends[1]);
	expect_unloaded();
	return 0;
}
