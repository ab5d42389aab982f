/* SPDX-License-Identifier: MIT */
/* local.c - see local.h */
#include "sys/local.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/fail.h"
#include "sys/fds_int.h"
#include "sys/sys.h"

#define BACKLOG 8

/* @ret as libc returns it; errno stays as it was. */
static int libc_result(int ret, int saved)
{
	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

unsigned sys_uid(void)
{
	return geteuid();
}

int sys_pid(void)
{
	return getpid();
}

static bool is_mine(const char *path, mode_t forbidden)
{
	int saved = errno;
	struct stat st;
	bool mine = !lstat(path, &st) && S_ISDIR(st.st_mode) &&
		    st.st_uid == geteuid() && !(st.st_mode & forbidden);

	errno = saved;
	return mine;
}

bool sys_is_own_dir(const char *path)
{
	return is_mine(path, 0);
}

int sys_private_dir(const char *path)
{
	int saved = errno, err;

	if (sys_should_fail("mkdir"))
		return -EACCES;
	err = libc_result(mkdir(path, 0700), saved);
	if (err && err != -EEXIST)
		return err;
	return is_mine(path, 077) ? 0 : -EPERM;
}

static int bind_at(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int saved = errno, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	sys_unlink(path);
	err = libc_result(fchmod(fd, 0600),
			  saved); /* what bind(2) makes has it */
	if (!err)
		err = libc_result(bind(fd, (struct sockaddr *)&addr,
				       sizeof(addr)),
				  saved);
	if (!err)
		err = libc_result(listen(fd, BACKLOG), saved);
	return err;
}

int sys_socket_listen(const char *path)
{
	int saved = errno, err, fd;

	if (sys_should_fail("socket"))
		return -EMFILE;
	fd = libc_result(socket(AF_UNIX,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
			 saved);
	if (fd < 0)
		return fd;
	err = bind_at(fd, path);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

static bool is_own_user(int fd)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
	       cred.uid == geteuid();
}

int sys_socket_accept(int fd)
{
	const struct timeval second = { .tv_sec = 1 };
	int saved = errno, peer;

	if (sys_should_fail("accept"))
		return -ECONNABORTED;
	peer = libc_result(accept4(fd, NULL, NULL, SOCK_CLOEXEC), saved);
	if (peer < 0)
		return peer;
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	if (is_own_user(peer))
		return peer;
	sys_close(peer);
	errno = saved;
	return -EPERM;
}

ssize_t sys_socket_read(int fd, void *buf, size_t len)
{
	int saved = errno;
	ssize_t n;

	do {
		n = recv(fd, buf, len, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	errno = saved;
	return n;
}

int sys_socket_write(int fd, const void *buf, size_t len)
{
	const char *at = buf;
	int saved = errno, err = 0;

	while (len && !err) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n >= 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	errno = saved;
	return err;
}

void sys_unlink(const char *path)
{
	int saved = errno;

	if (unlink(path))
		errno = saved;
}

/* ---- Descriptors ------------------------------------------------------ */

int sys_socket_pair(int ret_fd[2])
{
	int fd[2], err;

	if (sys_should_fail("socketpair"))
		return -EMFILE;
	err = (int)sys_opened(SYS_socketpair, AF_UNIX,
			      SOCK_STREAM | SOCK_CLOEXEC, 0, (long)fd);
	if (err)
		return err;
	ret_fd[0] = fd[0];
	ret_fd[1] = fd[1];
	return 0;
}

/* A message of one byte with one descriptor. */
struct passing {
	char byte;
	struct iovec iov;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr msg;
};

static void passing_init(struct passing *p)
{
	memset(p, 0, sizeof(*p));
	p->iov = (struct iovec){ &p->byte, 1 };
	p->msg = (struct msghdr){
		.msg_iov = &p->iov,
		.msg_iovlen = 1,
		.msg_control = p->control,
		.msg_controllen = sizeof(p->control),
	};
}

int sys_socket_pass(int sock, int fd)
{
	struct passing p;
	struct cmsghdr *c;
	int saved = errno;

	passing_init(&p);
	c = CMSG_FIRSTHDR(&p.msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return libc_result((int)sendmsg(sock, &p.msg, MSG_NOSIGNAL), saved);
}

/*
 * The kernel drops a descriptor that it finds no number for, so there must be a
 * free number before recvmsg(2).
 */
int sys_socket_take(int sock)
{
	struct passing p;
	struct cmsghdr *c;
	int saved = errno, fd;
	struct sys_raised r;
	bool raised = sys_limit_make_room(&r);
	ssize_t n;

	do {
		passing_init(&p);
		n = recvmsg(sock, &p.msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (raised)
		sys_limit_restore(&r);
	c = n == 1 ? CMSG_FIRSTHDR(&p.msg) : NULL;
	errno = saved;
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EPIPE;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}
