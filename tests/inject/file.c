// SPDX-License-Identifier: MIT
/*
 * A mapped file while the n-th call to the kernel fails, for each n: no call
 * has to succeed, but no page is lost, and the next sync brings all to the
 * file.
 */
#include "../file.h"
#include "sys/fail.h"

#define NPAGES 24
#define LAST   100000

static const char *failed; /* the call that failed, or NULL */

static bool is_documented(int64_t ret)
{
	return ret >= 0 || ret == -ENOMEM || ret == -EMFILE || ret == -ENOSPC ||
	       ret == -EIO || ret == -EBUSY || ret == -EFAULT;
}

static void try_sync(struct uhmm *u, char *p, int flags)
{
	CHECK(is_documented(uhmm_file_sync(u, p, NPAGES * PAGE, flags)));
}

static void store_and_see(struct uhmm *u, struct uhmm_device *dev, char *p,
			  uint64_t seed)
{
	test_fill(p, NPAGES, seed);
	CHECK(is_documented(uhmm_migrate(u, p, 9 * PAGE, dev)));
	try_sync(u, p, MS_SYNC);
	test_verify(p, NPAGES, seed);
	test_fill(p, NPAGES, seed + 1);
	try_sync(u, p, MS_ASYNC);
	CHECK(is_documented(uhmm_file_refresh(u, p, NPAGES * PAGE)));
	test_verify(p, NPAGES, seed + 1);
}

static void live(struct uhmm *u, struct uhmm_device *dev, int fd, char *p)
{
	CHECK(is_documented(uhmm_migrate(u, p, 5 * PAGE, dev)));
	test_verify(p, NPAGES, 1);
	store_and_see(u, dev, p, 2);
	store_and_see(u, dev, p, 4);
	if (uhmm_unmap_file(u, p)) {
		failed = sys_fail_disarm();
		test_verify(p, NPAGES, 5);
		CHECK_EQ(uhmm_unmap_file(u, p), 0);
	}
	test_file_verify(fd, NPAGES, 5);
}

/* Return: whether the n-th call was reached. */
static bool run(int64_t n)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1M");
	int fd = test_file(NPAGES, 1);
	void *p;
	int err;

	uhmm_set_log(u, test_no_log, NULL);
	failed = NULL;
	sys_fail_arm(n);
	err = uhmm_map_file(u, fd, 0, NPAGES * PAGE, RW, UHMM_FILE_RELAXED, &p);
	CHECK(is_documented(err));
	if (!err)
		live(u, dev, fd, p);
	if (!failed)
		failed = sys_fail_disarm();
	CHECK_EQ(uhmm_close(u), 0);
	close(fd);
	return failed;
}

int main(void)
{
	int64_t n = 1;

	while (run(n) && n < LAST)
		n++;
	CHECK(n > 20 && n < LAST);
	return 0;
}
