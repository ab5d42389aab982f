// SPDX-License-Identifier: MIT
/*
 * A memfd of which no descriptor is left is adopted as other shared memory is:
 * a ring that is mapped twice, views that are read-only and private, a child.
 * One that somebody could reach in another way is refused.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../object.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4u
#endif

#define NPAGES 64

static struct uhmm *u;
static struct uhmm_device *dev;

static int make(size_t npages, unsigned flags)
{
	int fd = memfd_create("ring buffer (deleted)", flags);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(npages * PAGE)), 0);
	return fd;
}

static char *map(int fd, size_t npages, int prot, int flags)
{
	char *p = mmap(NULL, npages * PAGE, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int adopt(void *p)
{
	struct uhmm_object *o;

	return uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &o);
}

/* Data that are written over the end go on at the beginning. */
static void ring(void)
{
	int fd = make(NPAGES, MFD_CLOEXEC);
	char *p = test_map(2 * NPAGES);
	struct uhmm_object *o;

	for (int i = 0; i < 2; i++)
		CHECK(mmap(p + i * NPAGES * PAGE, NPAGES * PAGE, RW,
			   MAP_SHARED | MAP_FIXED, fd,
			   0) == p + i * NPAGES * PAGE);
	close(fd);
	test_fill(p, NPAGES, 1);
	o = test_adopt(u, p);
	for (uint64_t seed = 2; seed < 5; seed++) {
		test_move(u, p, NPAGES, dev);
		memset(p + NPAGES * PAGE - 8, (int)seed, 16);
		CHECK_EQ(p[0], seed);
		CHECK_EQ(p[2 * NPAGES * PAGE - 1], seed);
		test_fill(p + NPAGES * PAGE, NPAGES, seed);
		test_move(u, p + NPAGES * PAGE, NPAGES, dev);
		test_verify(p, NPAGES, seed);
	}
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_verify(p, NPAGES, 4);
}

static void views(void)
{
	int fd = make(NPAGES, 0);
	char *p = map(fd, NPAGES, RW, MAP_SHARED);
	char *reader = map(fd, NPAGES, PROT_READ, MAP_SHARED);
	char *own = map(fd, NPAGES, RW, MAP_PRIVATE);
	struct uhmm_object *o;

	close(fd);
	test_fill(p, NPAGES, 1);
	memset(own, 9, PAGE);
	o = test_adopt(u, p);
	test_move(u, p, NPAGES, dev);
	test_verify(reader, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(own[0], 9);
	test_verify(p, 1, 1);
	CHECK_MEM(own + PAGE, reader + PAGE, (NPAGES - 1) * PAGE);
	test_move(u, p, NPAGES, dev);
	memset(own + 2 * PAGE, 8, PAGE);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(own[2 * PAGE], 8);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	CHECK_EQ(own[0], 9);
}

static void child(void)
{
	int fd = make(NPAGES, 0);
	char *p = map(fd, NPAGES, RW, MAP_SHARED);
	struct uhmm_object *o;

	close(fd);
	test_fill(p, NPAGES, 1);
	o = test_adopt(u, p);
	test_move(u, p, NPAGES, dev);
	test_refill_in_child(p, NPAGES);
	test_verify(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void still_open(void)
{
	int fd = make(NPAGES, 0), other = dup(fd);
	char *p = map(fd, NPAGES, RW, MAP_SHARED);

	close(fd);
	CHECK_EQ(adopt(p), -EBUSY);
	close(other);
	CHECK_EQ(uhmm_object_destroy(test_adopt(u, p)), 0);
}

/* The kernel lets nobody punch holes: the pages stay. */
static void sealed(void)
{
	int fd = make(NPAGES, MFD_ALLOW_SEALING);
	char *p = map(fd, NPAGES, RW, MAP_SHARED);
	struct uhmm_object *o;
	int err;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		return;
	close(fd);
	test_fill(p, NPAGES, 1);
	err = uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &o);
	if (err == -EOPNOTSUPP)
		return;
	CHECK_EQ(err, 0);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), 0);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void sizes(void)
{
	int fd = make(NPAGES, 0);
	char *longer = map(fd, NPAGES + 1, RW, MAP_SHARED), *shorter;

	close(fd);
	CHECK_EQ(adopt(longer), -EOPNOTSUPP);
	fd = make(NPAGES, 0);
	shorter = map(fd, NPAGES - 1, RW, MAP_SHARED);
	close(fd);
	CHECK_EQ(adopt(shorter), -EFBIG);
}

static void other_kinds(void)
{
	int fd = make(NPAGES, 0);
	char *own = map(fd, NPAGES, RW, MAP_PRIVATE), *huge;

	close(fd);
	CHECK_EQ(adopt(own), -EOPNOTSUPP);
	fd = memfd_create("huge", MFD_HUGETLB);
	if (fd < 0)
		return;
	huge = mmap(NULL, 2 << 20, RW, MAP_SHARED, fd, 0);
	close(fd);
	if (huge != MAP_FAILED)
		CHECK_EQ(adopt(huge), -EOPNOTSUPP);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:8M");
	ring();
	views();
	child();
	still_open();
	sealed();
	sizes();
	other_kinds();
	CHECK_EQ(uhmm_close(u), 0);
	return 0;
}
