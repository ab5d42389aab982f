// SPDX-License-Identifier: MIT
/*
 * What programs built with _FORTIFY_SOURCE call instead: it knows how large the
 * buffer is, and leads to the function itself.
 */
/* Each name is a function of its own here. */
#undef _FILE_OFFSET_BITS
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "calls/calls.h"

_Noreturn void __chk_fail(void);

static void check(size_t len, size_t room)
{
	if (unlikely(len > room))
		__chk_fail();
}

#define CHECKED(type, name, params, len, room, call) \
	type name params;                            \
	EXPORT type name params                      \
	{                                            \
		check(len, room);                    \
		return call;                         \
	}

CHECKED(ssize_t, __read_chk, (int fd, void *p, size_t len, size_t room), len,
	room, read(fd, p, len))
CHECKED(ssize_t, __pread_chk,
	(int fd, void *p, size_t len, off_t at, size_t room), len, room,
	pread(fd, p, len, at))
CHECKED(ssize_t, __pread64_chk,
	(int fd, void *p, size_t len, off64_t at, size_t room), len, room,
	pread64(fd, p, len, at))
CHECKED(ssize_t, __recv_chk,
	(int fd, void *p, size_t len, size_t room, int flags), len, room,
	recv(fd, p, len, flags))
CHECKED(ssize_t, __recvfrom_chk,
	(int fd, void *p, size_t len, size_t room, int flags,
	 struct sockaddr *addr, socklen_t *addr_len),
	len, room, recvfrom(fd, p, len, flags, addr, addr_len))
CHECKED(ssize_t, __readlink_chk,
	(const char *path, char *p, size_t len, size_t room), len, room,
	readlink(path, p, len))
CHECKED(ssize_t, __readlinkat_chk,
	(int dir, const char *path, char *p, size_t len, size_t room), len,
	room, readlinkat(dir, path, p, len))
CHECKED(char *, __getcwd_chk, (char *p, size_t len, size_t room), len, room,
	getcwd(p, len))
CHECKED(char *, __realpath_chk, (const char *path, char *p, size_t room),
	PATH_MAX, room, realpath(path, p))
CHECKED(int, __gethostname_chk, (char *p, size_t len, size_t room), len, room,
	gethostname(p, len))
CHECKED(int, __getgroups_chk, (int nr, gid_t *list, size_t room),
	(size_t)nr * sizeof(*list), room, getgroups(nr, list))
CHECKED(int, __poll_chk, (struct pollfd * fds, nfds_t nr, int ms, size_t room),
	nr * sizeof(*fds), room, poll(fds, nr, ms))
CHECKED(int, __ppoll_chk,
	(struct pollfd * fds, nfds_t nr, const struct timespec *t,
	 const sigset_t *mask, size_t room),
	nr * sizeof(*fds), room, ppoll(fds, nr, t, mask))

static size_t times(size_t size, size_t n)
{
	size_t len;

	return __builtin_mul_overflow(size, n, &len) ? SIZE_MAX : len;
}

CHECKED(size_t, __fread_chk,
	(void *p, size_t room, size_t size, size_t n, FILE *f), times(size, n),
	room, fread(p, size, n, f))
CHECKED(size_t, __fread_unlocked_chk,
	(void *p, size_t room, size_t size, size_t n, FILE *f), times(size, n),
	room, (fread_unlocked)(p, size, n, f))

/* A mode must be given where a file may be made: there is none. */
#define NO_MODE(flags) ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE)

CHECKED(int, __open_2, (const char *path, int flags), NO_MODE(flags), 0,
	open(path, flags))
CHECKED(int, __open64_2, (const char *path, int flags), NO_MODE(flags), 0,
	open64(path, flags))
CHECKED(int, __openat_2, (int dir, const char *path, int flags), NO_MODE(flags),
	0, openat(dir, path, flags))
CHECKED(int, __openat64_2, (int dir, const char *path, int flags),
	NO_MODE(flags), 0, openat64(dir, path, flags))
