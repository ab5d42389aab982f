// SPDX-License-Identifier: MIT
/*
 * Memory that begins as a file: it reads what the file has, wherever its pages
 * are, and what was stored is in the file after a sync, from RAM and from a
 * device, where the pages stay.
 */
#include "../file.h"

#define NPAGES 700 /* more than a block */
#define PART   40
#define FIRST  300

static void sync_all(struct uhmm *u, char *p)
{
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
}

static void move_through(struct uhmm *u, struct uhmm_device *dev)
{
	int fd = test_file(NPAGES, 1);
	char *p = test_map_file(u, fd, 0, NPAGES, RW);

	/* from the file to the device, without a page in RAM */
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	test_verify(p, NPAGES, 1);

	test_fill(p, NPAGES, 2);
	test_file_verify(fd, NPAGES, 1);
	sync_all(u, p);
	test_file_verify(fd, NPAGES, 2);

	test_fill(p, NPAGES, 3);
	test_move(u, p, NPAGES, dev);
	test_file_verify(fd, NPAGES, 2);
	sync_all(u, p);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	test_file_verify(fd, NPAGES, 3);
	test_verify(p, NPAGES, 3);

	test_fill(p, NPAGES, 4);
	test_move(u, p + FIRST * PAGE, PART, dev);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	test_file_verify(fd, NPAGES, 4);
	close(fd);
}

/* A part of the file, and a descriptor that is gone. */
static void map_part(struct uhmm *u)
{
	int fd = test_file(NPAGES, 5), again = dup(fd);
	char *p = test_map_file(u, fd, FIRST, PART, RW);

	close(fd);
	test_file_is(again, FIRST, p, PART);
	memset(p + 7 * PAGE, 1, PAGE);
	CHECK_EQ(uhmm_file_sync(u, p + 8 * PAGE, PAGE, MS_SYNC), 0);
	CHECK_EQ(uhmm_file_sync(u, p + 7 * PAGE, PAGE, MS_ASYNC), 0);
	test_file_is(again, FIRST, p, PART);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	close(again);
}

/* A page that was discarded is as in the file, never zeroes. */
static void discard(struct uhmm *u, struct uhmm_device *dev)
{
	int fd = test_file(NPAGES, 6);
	char *p = test_map_file(u, fd, 0, NPAGES, RW);

	test_fill(p, NPAGES, 7);
	test_move(u, p, PART, dev);
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	test_verify(p, NPAGES, 6);
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 6);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	close(fd);
}

/* A page that was only read is not written back. */
static void keep_clean(struct uhmm *u)
{
	int fd = test_file(NPAGES, 8);
	char *p = test_map_file(u, fd, 0, NPAGES, RW);
	char other[] = "another's";

	test_verify(p, NPAGES, 8);
	memset(p + PAGE, 0, PAGE);
	sync_all(u, p);
	CHECK_EQ(pwrite(fd, other, 10, (off_t)PAGE), 10);
	CHECK_EQ(pwrite(fd, other, 10, (off_t)(5 * PAGE)), 10);
	sync_all(u, p);
	CHECK_EQ(p[PAGE], 0);
	CHECK_EQ(uhmm_file_refresh(u, p, NPAGES * PAGE), 0);
	CHECK_MEM(p + PAGE, other, 10);
	CHECK_MEM(p + 5 * PAGE, other, 10);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	close(fd);
}

/* A mapping that mremap(2) moved keeps its data, and is no file's any more. */
static void move_mapping(struct uhmm *u, struct uhmm_device *dev)
{
	int fd = test_file(NPAGES, 11);
	char *p = test_map_file(u, fd, 0, NPAGES, RW);
	char *q = test_map(NPAGES);

	uhmm_set_log(u, test_no_log, NULL); /* it is told */
	test_move(u, p, PART, dev);
	p[FIRST * PAGE]++;
	CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	q[FIRST * PAGE]--;
	q[FIRST * PAGE + 1]++;
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	q[FIRST * PAGE + 1]--;
	test_verify(q, NPAGES, 11);
	CHECK_EQ(munmap(q, NPAGES * PAGE), 0);
	test_file_verify(fd, NPAGES, 11);
	close(fd);
}

static void end_by_close(struct uhmm *u, int fd)
{
	char *p = test_map_file(u, fd, 0, NPAGES, RW);

	test_fill(p, NPAGES, 10);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	int fd = test_file(NPAGES, 9);

	move_through(u, dev);
	map_part(u);
	move_mapping(u, dev);
	discard(u, dev);
	if (test_sees_writes(u))
		keep_clean(u);
	end_by_close(u, fd);
	test_close(u);
	test_file_verify(fd, NPAGES, 10);
	return 0;
}
