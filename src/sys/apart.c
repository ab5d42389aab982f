/* SPDX-License-Identifier: MIT */
/*
 * apart.c - calls on descriptors that the holder alone has; see fds.h
 *
 * The holder's table has free numbers when the process may open no more.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/fds.h"

/* @len: of what is read, or of the argument of an ioctl */
struct apart {
	int fd;
	unsigned long request;
	size_t len;
	long ret;
	_Alignas(uint64_t) char data[128];
};

static void do_read(void *arg)
{
	struct apart *e = arg;

	e->ret = call(SYS_read, e->fd, (long)e->data, (long)e->len, 0, 0, 0);
}

static void do_ioctl(void *arg)
{
	struct apart *e = arg;

	e->ret = call(SYS_ioctl, e->fd, (long)e->request, (long)e->data, 0, 0,
		      0);
}

static void do_close(void *arg)
{
	struct apart *e = arg;

	call(SYS_close, e->fd, 0, 0, 0, 0, 0);
}

ssize_t sys_read_apart(int fd, void *buf, size_t len)
{
	struct apart e = { .fd = fd, .len = len };

	if (len > sizeof(e.data) || !sys_fds_apart(do_read, &e, sizeof(e)))
		return -EMFILE;
	if (e.ret > 0)
		memcpy(buf, e.data, (size_t)e.ret);
	return e.ret;
}

int sys_ioctl_apart(int fd, unsigned long request, void *arg, size_t len)
{
	struct apart e = { .fd = fd, .request = request, .len = len };

	if (len > sizeof(e.data))
		return -EINVAL;
	memcpy(e.data, arg, len);
	if (!sys_fds_apart(do_ioctl, &e, sizeof(e)))
		return -EBADF;
	memcpy(arg, e.data, len);
	return (int)e.ret;
}

void sys_close_apart(int fd)
{
	struct apart e = { .fd = fd };

	sys_fds_apart(do_close, &e, sizeof(e));
}
