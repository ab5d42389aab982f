/* SPDX-License-Identifier: MIT */
/*
 * file.c - see file.h
 *
 * DOC: Ways to read
 *
 * A run of pages is read by O_DIRECT, from a description of its own, so that
 * the flags of the program's stay as they are.  A few pages are read through
 * the page cache, which may have them, by RWF_DONTCACHE: what the read brought
 * there goes again.  Both are tried, and given up at the first refusal.  The
 * kernel writes dirty pages of the page cache back before it reads past it: so
 * either way finds what write(2) wrote.
 */
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/fail.h"
#include "sys/fds.h"
#include "sys/fds_int.h"
#include "sys/format.h"
#include "sys/kernel.h"
#include "sys/sys.h"

#define DIRECT_BYTES ((size_t)64 << 10) /* read past the page cache from here */
#define DONTCACHE    0x80		/* RWF_DONTCACHE, Linux 6.14 */

/* ---- Open ---- */

static int open_anew(int fd, int flags)
{
	char path[48];

	sys_format(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	return sys_fd_keep(sys_open(path, flags), SYS_FD_FAR);
}

/* Does the descriptor allow it?  Return: its flags, or -errno. */
static int check_rights(int fd, bool write)
{
	int saved = errno, flags, ret;
	struct stat st;

	flags = fcntl(fd, F_GETFL);
	ret = flags < 0 || fstat(fd, &st) ? -EBADF : flags;
	errno = saved;
	if (ret < 0)
		return ret;
	if (flags & O_PATH)
		return -EBADF;
	if (!S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	if ((flags & O_ACCMODE) == O_WRONLY ||
	    (write && (flags & O_ACCMODE) != O_RDWR))
		return -EACCES;
	return flags;
}

/* With O_APPEND each write goes to the end of the file. */
static int copy_of(int fd, int flags, bool write)
{
	int copy;

	if (write && flags & O_APPEND)
		return -EACCES;
	if (sys_should_fail("fcntl"))
		return -EMFILE;
	copy = (int)sys_opened(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0, 0);
	return sys_fd_keep(copy, SYS_FD_FAR);
}

int sys_file_open(struct sys_file *f, int fd, bool write, bool cached)
{
	int mode = write ? O_RDWR : O_RDONLY;
	int flags = check_rights(fd, write);

	if (flags < 0)
		return flags;
	f->direct = -1;
	f->fd = open_anew(fd, mode);
	if (f->fd < 0)
		f->fd = copy_of(fd, flags, write);
	if (f->fd < 0)
		return f->fd;
	atomic_store(&f->read_flags, cached ? 0 : DONTCACHE);
	atomic_store(&f->write_flags, cached ? 0 : DONTCACHE);
	if (!cached)
		f->direct = open_anew(fd, O_RDONLY | O_DIRECT);
	if (f->direct < 0)
		f->direct = -1;
	return 0;
}

void sys_file_close(struct sys_file *f)
{
	if (f->direct >= 0)
		sys_close(f->direct);
	if (f->fd >= 0)
		sys_close(f->fd);
	f->fd = f->direct = -1;
}

int64_t sys_file_bytes(const struct sys_file *f)
{
	uint64_t size;
	int err;

	if (sys_should_fail("fstat"))
		return -ENOMEM;
	sys_fd_look_first(f->fd);
	do {
		err = sys_file_size(f->fd, &size);
	} while (err == -EBADF && sys_fd_mend(f->fd, -EBADF));
	return err ? err : (int64_t)size;
}

/* ---- Read and write ---- */

static ssize_t transfer(long nr, int fd, const struct iovec *iov, int n,
			uint64_t offset, int flags)
{
	ssize_t ret;

	sys_fd_look_first(fd);
	do {
		ret = call(nr, fd, (long)iov, n, (long)offset, 0, flags);
	} while (ret == -EINTR || (ret == -EBADF && sys_fd_mend(fd, -EBADF)));
	return ret;
}

/* Without the flags from the first refusal on. */
static ssize_t transfer_flagged(long nr, int fd, const struct iovec *iov, int n,
				uint64_t offset, _Atomic int *flags)
{
	int with = atomic_load_explicit(flags, memory_order_relaxed);
	ssize_t ret = transfer(nr, fd, iov, n, offset, with);

	if (!with || (ret != -EOPNOTSUPP && ret != -EINVAL))
		return ret;
	atomic_store_explicit(flags, 0, memory_order_relaxed);
	return transfer(nr, fd, iov, n, offset, 0);
}

ssize_t sys_file_read(struct sys_file *f, const struct iovec *iov, int nr,
		      size_t len, uint64_t offset)
{
	ssize_t ret = -EINVAL;

	if (sys_should_fail("preadv2"))
		return -EIO;
	if (f->direct >= 0 && len >= DIRECT_BYTES)
		ret = transfer(SYS_preadv2, f->direct, iov, nr, offset, 0);
	if (ret != -EINVAL && ret != -EOPNOTSUPP)
		return ret;
	return transfer_flagged(SYS_preadv2, f->fd, iov, nr, offset,
				&f->read_flags);
}

/* Is it beyond RLIMIT_FSIZE, where a write would raise SIGXFSZ? */
static bool is_too_far(const struct iovec *iov, int nr, uint64_t offset)
{
	struct rlimit limit;

	for (int i = 0; i < nr; i++)
		offset += iov[i].iov_len;
	return !call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) &&
	       limit.rlim_cur != RLIM_INFINITY && offset > limit.rlim_cur;
}

ssize_t sys_file_write(struct sys_file *f, const struct iovec *iov, int nr,
		       uint64_t offset)
{
	if (sys_should_fail("pwritev2"))
		return -EIO;
	if (is_too_far(iov, nr, offset))
		return -EFBIG;
	return transfer_flagged(SYS_pwritev2, f->fd, iov, nr, offset,
				&f->write_flags);
}

int sys_file_sync(const struct sys_file *f)
{
	int ret;

	if (sys_should_fail("fdatasync"))
		return -EIO;
	sys_fd_look_first(f->fd);
	do {
		ret = (int)call(SYS_fdatasync, f->fd, 0, 0, 0, 0, 0);
	} while (ret == -EINTR ||
		 (ret == -EBADF && sys_fd_mend(f->fd, -EBADF)));
	return ret;
}
