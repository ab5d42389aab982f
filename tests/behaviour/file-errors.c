// SPDX-License-Identifier: MIT
/*
 * Bad input of the calls about files: an errno, and nothing has changed.  A
 * write-back that fails says so, loses nothing, and can be tried again.
 */
#include <sys/resource.h>

#include "../file.h"

#define NPAGES 16

static void *out = (void *)1;

static int try_map(struct uhmm *u, int fd, uint64_t offset, size_t len,
		   int prot, unsigned flags)
{
	int err = uhmm_map_file(u, fd, offset, len, prot, flags, &out);

	CHECK_EQ((uintptr_t)out, 1);
	return err;
}

static void refuse_arguments(struct uhmm *u, int fd)
{
	const unsigned f = UHMM_FILE_RELAXED;

	CHECK_EQ(try_map(NULL, fd, 0, PAGE, RW, f), -EINVAL);
	CHECK_EQ(uhmm_map_file(u, fd, 0, PAGE, RW, f, NULL), -EINVAL);
	CHECK_EQ(try_map(u, fd, 1, PAGE, RW, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, 0, RW, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, 5, RW, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, UINT64_MAX - PAGE + 1, PAGE, RW, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, (size_t)1 << 50, RW, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, PAGE, RW | PROT_EXEC, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, PAGE, PROT_WRITE, f), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, PAGE, RW, 0), -EINVAL);
	CHECK_EQ(try_map(u, fd, 0, PAGE, RW, f | 1u << 20), -EINVAL);
	CHECK_EQ(try_map(u, -1, 0, PAGE, RW, f), -EBADF);
	CHECK_EQ(try_map(u, 999, 0, PAGE, RW, f), -EBADF);
}

static void refuse_kinds(struct uhmm *u)
{
	int dir = open("/", O_RDONLY), zero = open("/dev/zero", O_RDWR);
	int reader = open("/proc/self/exe", O_RDONLY), pair[2];

	CHECK_EQ(pipe(pair), 0);
	CHECK_EQ(try_map(u, dir, 0, PAGE, PROT_READ, 1), -EOPNOTSUPP);
	CHECK_EQ(try_map(u, zero, 0, PAGE, RW, 1), -EOPNOTSUPP);
	CHECK_EQ(try_map(u, pair[0], 0, PAGE, PROT_READ, 1), -EOPNOTSUPP);
	CHECK_EQ(try_map(u, reader, 0, PAGE, RW, 1), -EACCES);
	close(dir);
	close(zero);
	close(reader);
	close(pair[0]);
	close(pair[1]);
}

static void refuse_ranges(struct uhmm *u, char *p)
{
	void *other = test_map(1);

	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, 0), -EINVAL);
	CHECK_EQ(uhmm_file_sync(u, p + 1, PAGE, MS_SYNC), -EINVAL);
	CHECK_EQ(uhmm_file_sync(u, p, 0, MS_SYNC), -EINVAL);
	CHECK_EQ(uhmm_file_sync(u, p, (NPAGES + 1) * PAGE, MS_SYNC), -EINVAL);
	CHECK_EQ(uhmm_file_sync(u, other, PAGE, MS_SYNC), -EINVAL);
	CHECK_EQ(uhmm_file_sync(NULL, p, PAGE, MS_SYNC), -EINVAL);
	CHECK_EQ(uhmm_file_refresh(u, p, 1), -EINVAL);
	CHECK_EQ(uhmm_file_refresh(u, other, PAGE), -EINVAL);
	CHECK_EQ(uhmm_unmap_file(u, p + PAGE), -EINVAL);
	CHECK_EQ(uhmm_unmap_file(u, other), -EINVAL);
	CHECK_EQ(uhmm_unmap_file(u, NULL), -EINVAL);
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), -EOPNOTSUPP);
}

/* A write-back that is not allowed: beyond RLIMIT_FSIZE, as a full disk. */
static void fail_to_write(struct uhmm *u, struct uhmm_device *dev, int fd,
			  char *p)
{
	struct rlimit was, low = { 0, 0 };

	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &was), 0);
	low.rlim_cur = 4 * PAGE;
	low.rlim_max = was.rlim_max;
	test_fill(p, NPAGES, 2);
	test_move(u, p + 8 * PAGE, 2, dev);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), -EFBIG);
	CHECK_EQ(uhmm_unmap_file(u, p), -EFBIG);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &was), 0);
	CHECK_EQ(test_count_on(u, p + 8 * PAGE, 2, dev), 2);
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	test_file_verify(fd, NPAGES, 2);
	test_verify(p, NPAGES, 2);
}

static void refuse_pinned(struct uhmm *u, char *p)
{
	CHECK_EQ(uhmm_pin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_unmap_file(u, p), -EBUSY);
	p[0] = 1;
	CHECK_EQ(uhmm_file_sync(u, p, NPAGES * PAGE, MS_SYNC), 0);
	p[0] = 2; /* by DMA, say: a pinned page is never clean */
	CHECK_EQ(uhmm_unpin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_unmap_file(u, p), 0);
}

int main(void)
{
	int fd = test_file(NPAGES, 1);
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:4M");
	char *p, byte;

	refuse_arguments(u, fd);
	refuse_kinds(u);
	p = test_map_file(u, fd, 0, NPAGES, RW);
	refuse_ranges(u, p);
	test_verify(p, NPAGES, 1);
	fail_to_write(u, dev, fd, p);
	refuse_pinned(u, p);
	CHECK_EQ(pread(fd, &byte, 1, 0), 1);
	CHECK_EQ(byte, 2);
	test_close(u);
	return 0;
}
