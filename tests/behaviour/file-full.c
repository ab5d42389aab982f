// SPDX-License-Identifier: MIT
/*
 * A file with holes on a file system that is full: a sync says so, the pages
 * that found no room stay as they are, in RAM and on a device, and go to the
 * file when there is room.
 */
#include <sched.h>
#include <sys/mount.h>

#include "../file.h"

#define NPAGES 64
#define ROOM   40 /* pages of the file system */

/* A file in a file system of its own, which goes with the process. */
static int small_file(void)
{
	char dir[] = "/var/tmp/uhmm-test-XXXXXX", options[40];
	int fd;

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		test_skip("this user may not mount");
	snprintf(options, sizeof(options), "size=%zu", ROOM * PAGE);
	CHECK(mkdtemp(dir));
	if (mount("none", dir, "tmpfs", 0, options)) {
		rmdir(dir);
		test_skip("this user may not mount");
	}
	fd = open(dir, O_TMPFILE | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(umount2(dir, MNT_DETACH), 0);
	CHECK_EQ(rmdir(dir), 0);
	return fd;
}

int main(void)
{
	int fd = small_file();
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:4M");
	char *p;

	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	p = test_map_file(u, fd, 0, NPAGES, RW);
	test_verify_zero(p, NPAGES);
	test_fill(p, NPAGES, 1);
	test_move(u, p + 30 * PAGE, 20, dev);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), -ENOSPC);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), -ENOSPC);
	CHECK_EQ(uhmm_unmap_file(u, p), -ENOSPC);
	test_verify(p, NPAGES, 1);

	CHECK_EQ(ftruncate(fd, 0), 0); /* room for a half */
	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	CHECK_EQ(uhmm_file_sync(u, p, 8 * PAGE, MS_SYNC), 0);
	test_file_is(fd, 0, p, 8);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(ftruncate(fd, (off_t)(8 * PAGE)), 0);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	test_close(u);
	return 0;
}
