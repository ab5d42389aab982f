// SPDX-License-Identifier: MIT
/*
 * Memory of the program that is used past the program's own accesses.
 *
 * process_vm_readv(2) and process_vm_writev(2) on the process itself are like
 * other calls: in inline mode away pages are brought home first.
 *
 * Pages that vmsplice(2) gave to a pipe, or that the network sends without a
 * copy, are still read there after the mover has moved them and the frame has
 * other data.  So vmsplice(2) copies, and SO_ZEROCOPY is refused on sockets:
 * programs that use it have a fallback.
 *
 * Memory that the program registers with its own userfaultfd is not managed.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "preload.h"

#define MAX_VECTORS 1024

static void present_vectors(struct present *p, const struct iovec *v, size_t nr)
{
	if (!present_wanted() || nr > MAX_VECTORS)
		return;
	present_add(p, v, nr * sizeof(*v));
	for (size_t i = 0; i < nr; i++)
		present_add(p, v[i].iov_base, v[i].iov_len);
}

/* ---- process_vm_readv, process_vm_writev -------------------------------- */

/*
 * process_vm_writev(2) gets references to pages and writes later.  Not every
 * way to move a page notices such a reference, so pin the pages.
 */
static void pin_vectors(struct present *p, const struct iovec *v, size_t nr)
{
	for (size_t i = 0; nr <= MAX_VECTORS && i < nr; i++)
		present_always(p, v[i].iov_base, v[i].iov_len);
}

static ssize_t transfer_remote(long call, pid_t pid, const struct iovec *local,
			       unsigned long nr_local,
			       const struct iovec *remote,
			       unsigned long nr_remote, unsigned long flags)
{
	struct present p = { .nr = 0 };
	ssize_t ret;

	present_vectors(&p, local, nr_local);
	if (pid == getpid() && call == SYS_process_vm_writev)
		pin_vectors(&p, remote, nr_remote);
	else if (pid == getpid())
		present_vectors(&p, remote, nr_remote);
	else if (present_wanted() && nr_remote <= MAX_VECTORS)
		present_add(&p, remote, nr_remote * sizeof(*remote));
	ret = syscall(call, pid, local, nr_local, remote, nr_remote, flags);
	present_end(&p);
	return ret;
}

EXPORT ssize_t process_vm_readv(pid_t pid, const struct iovec *local,
				unsigned long nr_local,
				const struct iovec *remote,
				unsigned long nr_remote, unsigned long flags)
{
	return transfer_remote(SYS_process_vm_readv, pid, local, nr_local,
			       remote, nr_remote, flags);
}

EXPORT ssize_t process_vm_writev(pid_t pid, const struct iovec *local,
				 unsigned long nr_local,
				 const struct iovec *remote,
				 unsigned long nr_remote, unsigned long flags)
{
	return transfer_remote(SYS_process_vm_writev, pid, local, nr_local,
			       remote, nr_remote, flags);
}

/* ---- vmsplice ----------------------------------------------------------- */

/* Is @fd a pipe that is open for writing? */
static bool is_pipe(int fd)
{
	int mode = fcntl(fd, F_GETFL);
	struct stat st;

	return mode >= 0 && (mode & O_ACCMODE) != O_RDONLY && !fstat(fd, &st) &&
	       S_ISFIFO(st.st_mode);
}

static bool has_managed_iovec(const struct iovec *v, size_t nr)
{
	struct range part;

	for (size_t i = 0; i < nr; i++) {
		uintptr_t start = (uintptr_t)v[i].iov_base;

		if (v[i].iov_len &&
		    manage_parts(start, start + v[i].iov_len, &part, 1))
			return true;
	}
	return false;
}

/* poll(2) reports a pipe as writable if one page at least fits. */
static bool has_room(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, timeout) > 0;
}

/* Copy as much as fits, as vmsplice(2) would give. */
static ssize_t copy_to_pipe(int fd, const struct iovec *v, size_t nr)
{
	size_t done = 0;

	for (size_t i = 0; i < nr; i++) {
		const char *p = v[i].iov_base;

		for (size_t at = 0; at < v[i].iov_len;) {
			size_t len = v[i].iov_len - at;
			ssize_t n;

			if (done && !has_room(fd, 0))
				return (ssize_t)done;
			n = write(fd, p + at, len < PAGE ? len : PAGE);
			if (n <= 0)
				return done ? (ssize_t)done : n;
			done += (size_t)n;
			at += (size_t)n;
		}
	}
	return (ssize_t)done;
}

static ssize_t splice_copy(int fd, const struct iovec *v, size_t nr,
			   unsigned flags)
{
	struct present p = { .nr = 0 };
	ssize_t n;

	if (!has_room(fd, flags & SPLICE_F_NONBLOCK ? 0 : -1)) {
		errno = flags & SPLICE_F_NONBLOCK ? EAGAIN : EINTR;
		return -1;
	}
	present_vectors(&p, v, nr);
	n = copy_to_pipe(fd, v, nr);
	present_end(&p);
	return n;
}

EXPORT ssize_t vmsplice(int fd, const struct iovec *v, size_t nr,
			unsigned flags)
{
	struct present p = { .nr = 0 };
	ssize_t n;

	if (manage_is_on() && nr <= MAX_VECTORS && is_pipe(fd) &&
	    has_managed_iovec(v, nr))
		return splice_copy(fd, v, nr, flags);
	present_vectors(&p, v, nr);
	n = syscall(SYS_vmsplice, fd, v, nr, flags);
	present_end(&p);
	return n;
}

/* ---- Sockets ------------------------------------------------------------ */

bool remote_refuses(int level, int name)
{
	return level == SOL_SOCKET && name == SO_ZEROCOPY && manage_is_on();
}

/* ---- userfaultfd -------------------------------------------------------- */

static void give_up(const struct uffdio_register *r)
{
	uintptr_t start = r->range.start, end = start + r->range.len;

	if (start % PAGE == 0 && end % PAGE == 0 && start < end)
		manage_exclude(start, end);
}

void remote_ioctl(unsigned long request, const void *arg, const void *caller)
{
	if (unlikely(request == UFFDIO_REGISTER) && map_is_watched(caller))
		give_up(arg);
}
