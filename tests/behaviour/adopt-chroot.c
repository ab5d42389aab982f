// SPDX-License-Identifier: MIT
/*
 * After chroot(2), where /proc is not reached any more, a child has shared
 * memory that was adopted, with the data, and so has its parent.  Which
 * processes have it is not known from then on: no page leaves.
 */
#include <stdlib.h>

#include "../object.h"

#define NPAGES 8

static void enter_empty_root(void)
{
	char dir[] = "/tmp/adopt-chroot-XXXXXX";

	CHECK(mkdtemp(dir));
	CHECK_EQ(chdir(dir), 0);
	CHECK_EQ(rmdir(dir), 0);
	CHECK_EQ(chroot("."), 0);
}

/* Whether a descriptor is open somewhere cannot be seen. */
static void memfd_is_refused(struct uhmm *u)
{
	int fd = memfd_create("refused", 0);
	struct uhmm_object *o;
	char *p;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	p = mmap(NULL, NPAGES * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	CHECK_EQ(uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &o), -EOPNOTSUPP);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm_object *o;
	uint8_t why[NPAGES];
	struct uhmm *u;
	char *p;

	if (geteuid())
		test_skip("chroot(2) is for root");
	u = test_open();
	dev = test_device(u, "ram:16M");
	p = test_shared(NPAGES);
	o = test_adopt(u, p);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	enter_empty_root();
	test_refill_in_child(p, NPAGES);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_SHARED);
	test_fill(p, NPAGES, 1);
	test_refill_in_child(p, NPAGES);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	memfd_is_refused(u);
	test_close(u);
	return 0;
}
