/* SPDX-License-Identifier: MIT */
/* opened.c - which memfds the process has descriptors of, see memfd.h */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "sys/call.h"
#include "sys/entry.h"
#include "sys/kernel.h"
#include "sys/memfd.h"
#include "sys/sys.h"

enum {
	MAX_TEXT = 2048,
};

static int look(int fd, uint64_t *ret_device, uint64_t *ret_inode)
{
	struct stat st;
	int err = (int)call(SYS_fstat, fd, (long)&st, 0, 0, 0, 0);

	if (err)
		return err;
	*ret_device = (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev);
	*ret_inode = st.st_ino;
	return 0;
}

int sys_memfd_device(uint64_t *ret)
{
	int err, fd = sys_memfd("uhmm-device", 1);
	uint64_t inode;

	if (fd < 0)
		return fd;
	err = look(fd, ret, &inode);
	sys_close(fd);
	return err;
}

/*
 * The link is read first: a look at the file itself would wait for the server
 * of a file that is far away.
 */
static bool entry_is(int dir, const struct sys_entry *e, uint64_t inode)
{
	static const char prefix[] = "/memfd:";
	char link[sizeof(prefix)];
	uint64_t device, found;
	ssize_t len = call(SYS_readlinkat, dir, (long)e->name, (long)link,
			   sizeof(link), 0, 0);

	return len == sizeof(link) &&
	       !memcmp(link, prefix, sizeof(prefix) - 1) &&
	       !look((int)sys_entry_number(e), &device, &found) &&
	       found == inode;
}

int sys_memfd_is_open(uint64_t inode)
{
	_Alignas(struct sys_entry) char buf[MAX_TEXT];
	int dir = sys_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY);
	bool found = false;
	ssize_t len = 0;

	if (dir == -ENOENT || dir == -EACCES)
		return -EOPNOTSUPP;
	if (dir < 0)
		return dir;
	while (!found && (len = sys_entries(dir, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; !found && at < len;) {
			const struct sys_entry *e = (const void *)(buf + at);

			found = entry_is(dir, e, inode);
			at += e->len;
		}
	sys_close(dir);
	return found ? 1 : (int)len;
}
