// SPDX-License-Identifier: MIT
/*
 * open.c - opens the file behind a device: a new one without a name in a
 * folder, a new one, removed after a moment, or an existing one.
 *
 * An existing file is used only if the specification says that its contents may
 * be lost.  A lock keeps other devices from the same file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../options.h"
#include "file.h"

enum {
	PATH,
	KEEP,
	OVERWRITE,
	DIRECT,
	PREALLOC
};

const struct uhmm_option file_options[] = {
	[PATH] = { "path", "/var/tmp", "a folder, a file or a block device" },
	[KEEP] = { "keep", "no", "the name of a new file stays: yes or no" },
	[OVERWRITE] = { "overwrite", "no",
			"what is at path may be lost: yes or no" },
	[DIRECT] = { "direct", "auto",
		     "past the page cache: yes, no, or auto: if that can be" },
	[PREALLOC] = { "prealloc", "no",
		       "take the space on the disk at once: yes or no" },
	{ NULL, NULL, NULL },
};

static bool is(const char *const *values, int option, const char *value)
{
	return !strcmp(values[option], value);
}

static int check_values(const char *const *values)
{
	static const int switches[] = { KEEP, OVERWRITE, PREALLOC };
	bool on;
	int err = *values[PATH] ? 0 : -EINVAL;

	for (size_t i = 0; !err && i < sizeof(switches) / sizeof(*switches);
	     i++)
		err = option_yes_or_no(file_options[switches[i]].key,
				       values[switches[i]], &on);
	if (err || is(values, DIRECT, "yes") || is(values, DIRECT, "no") ||
	    is(values, DIRECT, "auto"))
		return err;
	return uhmm_provider_fail(-EINVAL, "direct=%s: write yes, no or auto",
				  values[DIRECT]);
}

/* ---- The file ---- */

static int open_new(const char *const *values)
{
	int fd =
		open(values[PATH], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 && is(values, KEEP, "no"))
		unlink(values[PATH]);
	return fd;
}

/* O_EXCL refuses a block device that is mounted. */
static int open_old(const char *const *values, const struct stat *st)
{
	if (is(values, OVERWRITE, "no")) {
		errno = EEXIST;
		return -1;
	}
	return open(values[PATH],
		    O_RDWR | O_CLOEXEC | (S_ISBLK(st->st_mode) ? O_EXCL : 0));
}

static const char *reason(int err)
{
	switch (err) {
	case ENOENT:
		return "there is no such folder; make it, or name another";
	case EEXIST:
		return "it exists, and its data would be lost; say "
		       "overwrite=yes if they may be";
	case ENXIO:
		return "it is no folder, no file and no block device";
	case EBUSY:
		return "it is in use, by another device or mounted";
	case EACCES:
	case EPERM:
	case EROFS:
		return "this user may not write there";
	default:
		return NULL;
	}
}

/* Say it if the path is at fault.  @err is negative.  Return: @err. */
static int refuse(const char *const *values, int err)
{
	const char *why = reason(-err);

	return why ? uhmm_provider_fail(err, "%s: %s", values[PATH], why) : err;
}

static int open_path(const char *const *values)
{
	struct stat st;

	if (stat(values[PATH], &st))
		return errno == ENOENT ? open_new(values) : -1;
	if (S_ISDIR(st.st_mode))
		return open(values[PATH], O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return open_old(values, &st);
	errno = ENXIO;
	return -1;
}

static int lock_file(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &all))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* ---- Its size ---- */

static int size_of_file(int fd, const struct stat *st, uint64_t *ret)
{
	*ret = (uint64_t)st->st_size;
	if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, ret))
		return -errno;
	*ret = pages_in(*ret);
	return 0;
}

bool file_may_reach(uint64_t end)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) ||
	       limit.rlim_cur == RLIM_INFINITY || end <= limit.rlim_cur;
}

/* Grow a file that is too short; a longer one keeps its length. */
static int grow(struct file *f, bool prealloc)
{
	off_t len = (off_t)bytes_of(f->npages);

	if (!file_may_reach((uint64_t)len))
		return -EFBIG;
	if (prealloc)
		return -posix_fallocate(f->fd, 0, len);
	return ftruncate(f->fd, len) ? -errno : 0;
}

static int set_size(struct file *f, const char *const *values, uint64_t npages)
{
	uint64_t have;
	struct stat st;
	int err;

	if (fstat(f->fd, &st))
		return -errno;
	err = size_of_file(f->fd, &st, &have);
	if (err)
		return err;
	f->npages = npages ? npages : have;
	if (!f->npages)
		return uhmm_provider_fail(
			-EINVAL, "%s: it has no page; give a size, as file:1G",
			values[PATH]);
	f->punches = S_ISREG(st.st_mode);
	if (!f->punches)
		return f->npages > have ? -ENOSPC : 0;
	return f->npages > have || is(values, PREALLOC, "yes") ?
		       grow(f, is(values, PREALLOC, "yes")) :
		       0;
}

/* ---- How it is written ---- */

/* Try a write, as file systems differ: to the last page, which has no data. */
static int try_write(const struct file *f)
{
	void *page = uhmm_provider_alloc(uhmm_page_size());
	struct iovec v = { page, uhmm_page_size() };
	off_t at = (off_t)bytes_of(f->npages - 1);
	ssize_t n;
	int err;

	if (!page)
		return -ENOMEM;
	n = pwritev2(f->fd, &v, 1, at, f->flags);
	err = n < 0 ? -errno : 0;
	if (n >= 0 && n != (ssize_t)uhmm_page_size())
		err = -ENOSPC;
	uhmm_provider_free(page, uhmm_page_size());
	return err;
}

static int set_direct(const struct file *f, bool on)
{
	int flags = fcntl(f->fd, F_GETFL);

	flags = on ? flags | O_DIRECT : flags & ~O_DIRECT;
	return fcntl(f->fd, F_SETFL, flags) ? -errno : 0;
}

static bool is_in_ram(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int open_direct(struct file *f)
{
	int err = set_direct(f, true);

	if (!err)
		err = try_write(f);
	return err == -EOPNOTSUPP ? -EINVAL : err;
}

/* Writes through the page cache return when the data are on the disk. */
static int open_cached(struct file *f)
{
	set_direct(f, false);
	f->flags = f->in_ram ? 0 : RWF_DSYNC;
	return try_write(f);
}

static int set_way(struct file *f, const char *const *values)
{
	int err = -EINVAL;

	f->in_ram = is_in_ram(f->fd);
	if (!is(values, DIRECT, "no"))
		err = open_direct(f);
	if (err == -EINVAL && !is(values, DIRECT, "yes"))
		err = open_cached(f);
	if (err == -EINVAL && is(values, DIRECT, "yes"))
		uhmm_provider_fail(err,
				   "direct=yes: the file system of %s cannot "
				   "do that; write auto",
				   values[PATH]);
	return err;
}

/* ---- All of it ---- */

int file_open(struct file *f, const char *const *values, uint64_t npages)
{
	int err;

	f->fd = -1;
	err = check_values(values);
	if (err)
		return err;
	f->unused = uhmm_provider_alloc(bytes_of(UNUSED_PAGES));
	if (!f->unused)
		return -ENOMEM;
	f->fd = open_path(values);
	if (f->fd < 0)
		return refuse(values, -errno);
	f->fd = uhmm_fd_keep(f->fd);
	err = lock_file(f->fd);
	if (err)
		return refuse(values, err);
	err = set_size(f, values, npages);
	return err ? err : set_way(f, values);
}

void file_close(struct file *f)
{
	uhmm_fd_close(f->fd);
	uhmm_provider_free(f->unused, bytes_of(UNUSED_PAGES));
}
