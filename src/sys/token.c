/* SPDX-License-Identifier: MIT */
/* token.c - see token.h */
#include "sys/token.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/fail.h"
#include "sys/fds.h"
#include "sys/fds_int.h"
#include "sys/kernel.h"
#include "sys/memfd.h"
#include "sys/sys.h"

#ifndef F_SETLEASE
#define F_SETLEASE 1024
#endif

enum {
	LEN = 4096
};

/* One more open file; what memfd_create(2) itself gives counts as none. */
static int reopen(int fd)
{
	char path[32];

	sys_fd_look_first(fd);
	sys_format(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	return sys_open(path, O_RDWR);
}

static int set_lease(int fd, int type)
{
	int ret;

	if (sys_should_fail("F_SETLEASE"))
		return -EAGAIN;
	sys_fd_look_first(fd);
	do {
		ret = (int)call(SYS_fcntl, fd, F_SETLEASE, type, 0, 0, 0);
	} while (ret == -EBADF && sys_fd_mend(fd, -EBADF));
	return ret;
}

bool sys_token_is_alone(const struct sys_token *t)
{
	bool alone = !set_lease(t->fd, F_WRLCK);

	if (alone)
		call(SYS_fcntl, t->fd, F_SETLEASE, F_UNLCK, 0, 0, 0);
	return alone;
}

int sys_token_show(struct sys_token *t)
{
	int fd, err;

	if (t->page)
		return 0;
	fd = reopen(t->fd);
	if (fd < 0)
		return fd;
	err = sys_map_file(0, LEN, PROT_READ, MAP_SHARED, fd, 0, &t->page);
	sys_close(fd);
	return err;
}

void sys_token_hide(struct sys_token *t)
{
	if (t->page)
		sys_munmap(t->page, LEN);
	t->page = 0;
}

/* Is the lease granted while the token is hidden, and refused while shown? */
static bool works(struct sys_token *t)
{
	bool alone = sys_token_is_alone(t);

	return alone && !sys_token_show(t) && !sys_token_is_alone(t);
}

int sys_token_open(struct sys_token *ret)
{
	int fd = sys_memfd("uhmm-token", LEN);

	*ret = (struct sys_token){ .fd = -1 };
	if (fd < 0)
		return fd;
	ret->fd = sys_fd_keep(reopen(fd), SYS_FD_FAR);
	sys_close(fd);
	if (ret->fd < 0)
		return ret->fd == -ENOENT || ret->fd == -EACCES ? -EOPNOTSUPP :
								  ret->fd;
	if (works(ret))
		return 0;
	sys_token_close(ret);
	return -EOPNOTSUPP;
}

void sys_token_close(struct sys_token *t)
{
	sys_token_hide(t);
	sys_close(t->fd);
	t->fd = -1;
}

void sys_token_child(struct sys_token *t)
{
	sys_close(t->fd);
	*t = (struct sys_token){ .fd = -1 };
}
