// SPDX-License-Identifier: MIT
/*
 * Where a file ends: zeroes up to the end of the page, SIGBUS behind it, and
 * nothing is written there.  A file that grew or was cut is seen after a
 * refresh.  What cannot be read does not move to a device, and is no zeroes.
 */
#include "../file.h"

#define NPAGES 64
#define HAS    20 /* pages of the file, and 100 bytes */
#define TAIL   100

static void cut(int fd, size_t npages, size_t bytes)
{
	CHECK_EQ(ftruncate(fd, (off_t)(npages * PAGE + bytes)), 0);
}

static off_t size_of(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

static void read_tail(char *p)
{
	test_verify(p, HAS, 1);
	for (size_t i = TAIL; i < PAGE; i++)
		CHECK_EQ(p[HAS * PAGE + i], 0);
	CHECK_EQ(test_read_raises(p + (HAS + 1) * PAGE), SIGBUS);
	CHECK_EQ(test_write_raises(p + (HAS + 5) * PAGE), SIGBUS);
	CHECK_EQ(test_read_raises(p + (HAS + 1) * PAGE), SIGBUS);
}

static void move_tail(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	static uint8_t why[NPAGES];

	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), HAS + 1);
	for (size_t i = 0; i <= HAS; i++)
		CHECK_EQ(why[i], UHMM_WHY_OK);
	CHECK(why[HAS + 2] != UHMM_WHY_OK);
}

static void grow(struct uhmm *u, int fd, char *p)
{
	p[HAS * PAGE + TAIL + 1] = 77;
	p[0] = 5;
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	CHECK_EQ(size_of(fd), (off_t)(HAS * PAGE + TAIL));
	cut(fd, NPAGES, 0);
	CHECK_EQ(uhmm_file_refresh(u, p, NPAGES * PAGE), 0);
	test_verify_zero(p + (HAS + 1) * PAGE, NPAGES - HAS - 1);
	memset(p + 40 * PAGE, 9, PAGE);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	test_file_is(fd, 40, p + 40 * PAGE, 1);
}

static void shrink(struct uhmm *u, struct uhmm_device *dev, int fd, char *p)
{
	memset(p + 30 * PAGE, 3, 20 * PAGE);
	test_move(u, p + 30 * PAGE, 10, dev);
	cut(fd, 30, 0);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	CHECK_EQ(size_of(fd), (off_t)(30 * PAGE));
	CHECK_EQ(uhmm_file_refresh(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(test_read_raises(p + 30 * PAGE), SIGBUS);
	CHECK_EQ(test_write_raises(p + 49 * PAGE), SIGBUS);
	CHECK_EQ(test_read_raises(p + 29 * PAGE), 0);
	cut(fd, NPAGES, 0);
	CHECK_EQ(uhmm_file_refresh(u, p, NPAGES * PAGE), 0);
	test_verify_zero(p + 30 * PAGE, NPAGES - 30);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	int fd = test_file(HAS + 1, 1);
	char *p;

	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device(u, "ram:16M");
	cut(fd, HAS, TAIL);
	p = test_map_file(u, fd, 0, NPAGES, RW);
	move_tail(u, dev, p);
	test_verify(p, HAS, 1);
	read_tail(p);
	grow(u, fd, p);
	shrink(u, dev, fd, p);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
	test_close(u);
	return 0;
}
