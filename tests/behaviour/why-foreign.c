// SPDX-License-Identifier: MIT
/*
 * Pages that belong to another userfaultfd stay, for the reason "foreign", and
 * its owner keeps them; a range of nothing else is -EBUSY.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../context.h"

#define NPAGES 300

static uint8_t why[NPAGES];

static int foreign(void *p, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);

	if (fd < 0)
		test_skip("no userfaultfd for us");
	reg.range.start = (uintptr_t)p;
	reg.range.len = len;
	CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	return fd;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES), *theirs = p + 100 * PAGE;
	int fd;

	test_fill(p, NPAGES, 1);
	fd = foreign(theirs, 50 * PAGE);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 50);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i],
			 i >= 100 && i < 150 ? UHMM_WHY_FOREIGN : UHMM_WHY_OK);
	CHECK_EQ(uhmm_migrate(u, theirs, 50 * PAGE, dev), -EBUSY);
	CHECK_EQ(uhmm_register(u, theirs, 50 * PAGE), -EBUSY);
	CHECK_EQ(uhmm_pin(u, theirs, 50 * PAGE), -EBUSY);
	test_verify(p, NPAGES, 1);
	close(fd);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
