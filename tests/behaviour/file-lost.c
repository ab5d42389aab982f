// SPDX-License-Identifier: MIT
/*
 * A device that tells of its writes has pages of a file that are as they are
 * there.  They are not written back over another's data, and when the device is
 * lost they come from the file; those that were stored to since are SIGBUS, if
 * their frames were not kept.
 */
#include <uhmm/device.h>

#include "../device.h"
#include "../file.h"

#define NPAGES 100
#define STORED 20
#define OTHER  7 /* another process writes there */

static struct test_ops ops;

int main(void)
{
	int fd = test_file(NPAGES, 1);
	char byte = 9, was, *p;
	struct uhmm_device *dev;
	struct uhmm *u;
	int raised;

	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device_named(u, &ops, 2 * NPAGES, "tells",
				UHMM_DEVICE_CONCURRENT |
					UHMM_DEVICE_TELLS_WRITES);
	p = test_map_file(u, fd, 0, NPAGES, RW);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(pread(fd, &was, 1, (off_t)(OTHER * PAGE)), 1);
	CHECK_EQ(pwrite(fd, &byte, 1, (off_t)(OTHER * PAGE)), 1);
	memset(p + STORED * PAGE, 2, 2 * PAGE);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	CHECK_EQ(pread(fd, &byte, 1, (off_t)(OTHER * PAGE)), 1);
	CHECK_EQ(byte, 9);
	test_file_is(fd, STORED, p + STORED * PAGE, 1);

	p[STORED * PAGE] = 3; /* and not written back */
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	raised = test_read_raises(p + STORED * PAGE);
	CHECK(raised == SIGBUS || p[STORED * PAGE] == 3);
	CHECK_EQ(p[(STORED + 1) * PAGE], 2);
	CHECK_EQ(p[OTHER * PAGE], 9);
	p[OTHER * PAGE] = was;
	test_verify(p, STORED, 1);
	CHECK_EQ(uhmm_file_refresh(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(p[STORED * PAGE], raised ? 2 : 3);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	test_close(u);
	return 0;
}
