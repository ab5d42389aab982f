// SPDX-License-Identifier: MIT
/*
 * Calls that name files, or tell about them: none of them has done anything
 * when it fails with EFAULT.
 */
/* Each name is a function of its own here. */
#undef _FILE_OFFSET_BITS
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#include "calls/calls.h"

/* ---- Opening ----------------------------------------------------------- */

/* The arguments before @flags, of which the last is @path. */
#define OPEN(name, params, ...)                                         \
	FIND(name);                                                     \
	EXPORT int name params                                          \
	{                                                               \
		__typeof__(&(name)) real = REAL(name);                  \
		va_list ap;                                             \
		mode_t mode;                                            \
		int ret;                                                \
                                                                        \
		va_start(ap, flags);                                    \
		mode = va_arg(ap, mode_t);                              \
		va_end(ap);                                             \
		REPEAT(ret, IS_MINUS_1, real(__VA_ARGS__, flags, mode), \
		       STR(path));                                      \
		return ret;                                             \
	}

OPEN(open, (const char *path, int flags, ...), path)
OPEN(open64, (const char *path, int flags, ...), path)
OPEN(openat, (int dir, const char *path, int flags, ...), dir, path)
OPEN(openat64, (int dir, const char *path, int flags, ...), dir, path)

/* What a call with one path, and perhaps a number or two, looks like. */
#define PATH(name, params, args) AGAIN(int, name, params, args, STR(path))

PATH(creat, (const char *path, mode_t mode), (path, mode))
PATH(creat64, (const char *path, mode_t mode), (path, mode))

/* ---- Names ------------------------------------------------------------- */

PATH(access, (const char *path, int how), (path, how))
PATH(faccessat, (int dir, const char *path, int how, int flags),
     (dir, path, how, flags))
PATH(euidaccess, (const char *path, int how), (path, how))
PATH(eaccess, (const char *path, int how), (path, how))
PATH(chdir, (const char *path), (path))
PATH(chroot, (const char *path), (path))
PATH(chmod, (const char *path, mode_t mode), (path, mode))
PATH(lchmod, (const char *path, mode_t mode), (path, mode))
PATH(fchmodat, (int dir, const char *path, mode_t mode, int flags),
     (dir, path, mode, flags))
PATH(chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
PATH(lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
PATH(fchownat, (int dir, const char *path, uid_t uid, gid_t gid, int flags),
     (dir, path, uid, gid, flags))
PATH(mkdir, (const char *path, mode_t mode), (path, mode))
PATH(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
PATH(mkfifo, (const char *path, mode_t mode), (path, mode))
PATH(mkfifoat, (int dir, const char *path, mode_t mode), (dir, path, mode))
PATH(mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev))
PATH(mknodat, (int dir, const char *path, mode_t mode, dev_t dev),
     (dir, path, mode, dev))
PATH(rmdir, (const char *path), (path))
PATH(unlink, (const char *path), (path))
PATH(unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
PATH(remove, (const char *path), (path))
PATH(truncate, (const char *path, off_t len), (path, len))
PATH(truncate64, (const char *path, off64_t len), (path, len))
PATH(inotify_add_watch, (int fd, const char *path, uint32_t mask),
     (fd, path, mask))

#define PATHS(name, params, args) \
	AGAIN(int, name, params, args, STR(path), STR(to))

PATHS(link, (const char *path, const char *to), (path, to))
PATHS(linkat,
      (int dir, const char *path, int to_dir, const char *to, int flags),
      (dir, path, to_dir, to, flags))
PATHS(symlink, (const char *path, const char *to), (path, to))
PATHS(symlinkat, (const char *path, int to_dir, const char *to),
      (path, to_dir, to))
PATHS(rename, (const char *path, const char *to), (path, to))
PATHS(renameat, (int dir, const char *path, int to_dir, const char *to),
      (dir, path, to_dir, to))
PATHS(renameat2,
      (int dir, const char *path, int to_dir, const char *to, unsigned flags),
      (dir, path, to_dir, to, flags))

AGAIN(ssize_t, readlink, (const char *path, char *p, size_t len),
      (path, p, len), STR(path), OUT(p, len))
AGAIN(ssize_t, readlinkat, (int dir, const char *path, char *p, size_t len),
      (dir, path, p, len), STR(path), OUT(p, len))
AGAIN_AS(IS_NULL, char *, getcwd, (char *p, size_t len), (p, len), OUT(p, len))
AGAIN_AS(IS_NULL, char *, realpath, (const char *path, char *p), (path, p),
	 STR(path), OUT(p, STRING))
AGAIN_AS(IS_NULL, DIR *, opendir, (const char *path), (path), STR(path))

typedef int filter64(const struct dirent64 *);
typedef int order64(const struct dirent64 **, const struct dirent64 **);
typedef int filter(const struct dirent *);
typedef int order(const struct dirent **, const struct dirent **);

PATH(scandir, (const char *path, struct dirent ***ret, filter *fn, order *cmp),
     (path, ret, fn, cmp))
PATH(scandir64,
     (const char *path, struct dirent64 ***ret, filter64 *fn, order64 *cmp),
     (path, ret, fn, cmp))

/* ---- What they are ----------------------------------------------------- */

#define FD(type, name) AGAIN(int, name, (int fd, type *st), (fd, st), RES(st))

AGAIN(int, stat, (const char *path, struct stat *st), (path, st), STR(path),
      RES(st))
AGAIN(int, stat64, (const char *path, struct stat64 *st), (path, st), STR(path),
      RES(st))
AGAIN(int, lstat, (const char *path, struct stat *st), (path, st), STR(path),
      RES(st))
AGAIN(int, lstat64, (const char *path, struct stat64 *st), (path, st),
      STR(path), RES(st))
AGAIN(int, fstatat, (int dir, const char *path, struct stat *st, int flags),
      (dir, path, st, flags), STR(path), RES(st))
AGAIN(int, fstatat64, (int dir, const char *path, struct stat64 *st, int flags),
      (dir, path, st, flags), STR(path), RES(st))
AGAIN(int, statx,
      (int dir, const char *path, int flags, unsigned mask, struct statx *st),
      (dir, path, flags, mask, st), STR(path), RES(st))
AGAIN(int, statfs, (const char *path, struct statfs *st), (path, st), STR(path),
      RES(st))
AGAIN(int, statfs64, (const char *path, struct statfs64 *st), (path, st),
      STR(path), RES(st))
AGAIN(int, statvfs, (const char *path, struct statvfs *st), (path, st),
      STR(path), RES(st))
AGAIN(int, statvfs64, (const char *path, struct statvfs64 *st), (path, st),
      STR(path), RES(st))
FD(struct stat, fstat)
FD(struct stat64, fstat64)
FD(struct statfs, fstatfs)
FD(struct statfs64, fstatfs64)
FD(struct statvfs, fstatvfs)
FD(struct statvfs64, fstatvfs64)

/*
 * What programs linked with a glibc before 2.33 call, and libraries that have
 * functions of these names, from those.
 */
#define OLD(name, params, args, ...) \
	int name params;             \
	AGAIN(int, name, params, args, __VA_ARGS__)

OLD(__xstat, (int version, const char *path, struct stat *st),
    (version, path, st), STR(path), RES(st))
OLD(__xstat64, (int version, const char *path, struct stat64 *st),
    (version, path, st), STR(path), RES(st))
OLD(__lxstat, (int version, const char *path, struct stat *st),
    (version, path, st), STR(path), RES(st))
OLD(__lxstat64, (int version, const char *path, struct stat64 *st),
    (version, path, st), STR(path), RES(st))
OLD(__fxstat, (int version, int fd, struct stat *st), (version, fd, st),
    RES(st))
OLD(__fxstat64, (int version, int fd, struct stat64 *st), (version, fd, st),
    RES(st))
OLD(__fxstatat,
    (int version, int dir, const char *path, struct stat *st, int flags),
    (version, dir, path, st, flags), STR(path), RES(st))
OLD(__fxstatat64,
    (int version, int dir, const char *path, struct stat64 *st, int flags),
    (version, dir, path, st, flags), STR(path), RES(st))
OLD(__xmknod, (int version, const char *path, mode_t mode, dev_t *dev),
    (version, path, mode, dev), STR(path), ARG(dev))
OLD(__xmknodat,
    (int version, int dir, const char *path, mode_t mode, dev_t *dev),
    (version, dir, path, mode, dev), STR(path), ARG(dev))

/* ---- Times ------------------------------------------------------------- */

AGAIN(int, utime, (const char *path, const struct utimbuf *t), (path, t),
      STR(path), ARG(t))
AGAIN(int, utimes, (const char *path, const struct timeval t[2]), (path, t),
      STR(path), IN(t, 2 * sizeof(*t)))
AGAIN(int, lutimes, (const char *path, const struct timeval t[2]), (path, t),
      STR(path), IN(t, 2 * sizeof(*t)))
AGAIN(int, futimes, (int fd, const struct timeval t[2]), (fd, t),
      IN(t, 2 * sizeof(*t)))
AGAIN(int, futimesat, (int dir, const char *path, const struct timeval t[2]),
      (dir, path, t), STR(path), IN(t, 2 * sizeof(*t)))
AGAIN(int, futimens, (int fd, const struct timespec t[2]), (fd, t),
      IN(t, 2 * sizeof(*t)))
AGAIN(int, utimensat,
      (int dir, const char *path, const struct timespec t[2], int flags),
      (dir, path, t, flags), STR(path), IN(t, 2 * sizeof(*t)))

/* ---- Attributes -------------------------------------------------------- */

AGAIN(ssize_t, getxattr,
      (const char *path, const char *name, void *p, size_t len),
      (path, name, p, len), STR(path), STR(name), OUT(p, len))
AGAIN(ssize_t, lgetxattr,
      (const char *path, const char *name, void *p, size_t len),
      (path, name, p, len), STR(path), STR(name), OUT(p, len))
AGAIN(ssize_t, fgetxattr, (int fd, const char *name, void *p, size_t len),
      (fd, name, p, len), STR(name), OUT(p, len))
AGAIN(int, setxattr,
      (const char *path, const char *name, const void *p, size_t len,
       int flags),
      (path, name, p, len, flags), STR(path), STR(name), IN(p, len))
AGAIN(int, lsetxattr,
      (const char *path, const char *name, const void *p, size_t len,
       int flags),
      (path, name, p, len, flags), STR(path), STR(name), IN(p, len))
AGAIN(int, fsetxattr,
      (int fd, const char *name, const void *p, size_t len, int flags),
      (fd, name, p, len, flags), STR(name), IN(p, len))
AGAIN(ssize_t, listxattr, (const char *path, char *p, size_t len),
      (path, p, len), STR(path), OUT(p, len))
AGAIN(ssize_t, llistxattr, (const char *path, char *p, size_t len),
      (path, p, len), STR(path), OUT(p, len))
AGAIN(ssize_t, flistxattr, (int fd, char *p, size_t len), (fd, p, len),
      OUT(p, len))
AGAIN(int, removexattr, (const char *path, const char *name), (path, name),
      STR(path), STR(name))
AGAIN(int, lremovexattr, (const char *path, const char *name), (path, name),
      STR(path), STR(name))
AGAIN(int, fremovexattr, (int fd, const char *name), (fd, name), STR(name))

/* ---- From file to file: the position is written when all is done -------- */

HELD(ssize_t, sendfile, (int to, int from, off_t *at, size_t len),
     (to, from, at, len), RES(at))
HELD(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t len),
     (to, from, at, len), RES(at))
HELD(ssize_t, splice,
     (int from, off64_t *at, int to, off64_t *to_at, size_t len,
      unsigned flags),
     (from, at, to, to_at, len, flags), RES(at), RES(to_at))
HELD(ssize_t, copy_file_range,
     (int from, off64_t *at, int to, off64_t *to_at, size_t len,
      unsigned flags),
     (from, at, to, to_at, len, flags), RES(at), RES(to_at))

AGAIN(ssize_t, getdents64, (int fd, void *p, size_t len), (fd, p, len),
      OUT(p, len))
