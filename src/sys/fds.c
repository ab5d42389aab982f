/* SPDX-License-Identifier: MIT */
/*
 * fds.c - numbers of descriptors, and the record of them; see fds.h
 *
 * All calls go to the kernel directly: a library in front of libc's may refuse
 * to touch descriptors of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/fds_int.h"
#include "sys/sys.h"

enum {
	ROOM = 64,    /* numbers between ours and the end of the limit */
	BEYOND = 256, /* numbers that the limit is raised by for a moment */
	ROOM_MADE = 1024,
	HIGHEST = 4000, /* the kernel's table is as long as the last number */
};

struct sys_kept sys_kept[SYS_MAX_KEPT];
_Atomic int sys_nr_kept;
struct sys_mutex sys_kept_lock;
static uint32_t serial; /* by lock */

static bool identify(int fd, dev_t *ret_dev, ino_t *ret_ino)
{
	struct stat st;

	if (call(SYS_fstat, fd, (long)&st, 0, 0, 0, 0))
		return false;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return true;
}

struct sys_kept *sys_kept_find(int fd)
{
	int end = atomic_load(&sys_nr_kept);

	for (int i = 0; fd > 0 && i < end; i++)
		if (atomic_load(&sys_kept[i].number) == fd)
			return &sys_kept[i];
	return NULL;
}

bool sys_kept_is_same(const struct sys_kept *k)
{
	dev_t dev;
	ino_t ino;

	return identify(atomic_load(&k->number), &dev, &ino) && dev == k->dev &&
	       ino == k->ino;
}

/* ---- Numbers ---------------------------------------------------------- */

static int dup_from(int fd, uint64_t floor)
{
	return (int)call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, (long)floor, 0, 0, 0);
}

static int limit_fds(const struct rlimit *new, struct rlimit *ret_old)
{
	return (int)call(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)new,
			 (long)ret_old, 0, 0);
}

int sys_limit_raise(struct sys_raised *r, uint64_t enough)
{
	if (limit_fds(NULL, &r->is))
		return -EMFILE;
	if (enough > r->is.rlim_max)
		enough = r->is.rlim_max;
	if (r->is.rlim_cur < enough)
		r->is.rlim_cur = enough;
	return limit_fds(&r->is, &r->was) ? -EMFILE : 0;
}

bool sys_limit_make_room(struct sys_raised *r)
{
	if (limit_fds(NULL, &r->is))
		return false;
	r->is.rlim_cur += ROOM_MADE;
	if (r->is.rlim_max < r->is.rlim_cur)
		r->is.rlim_max = r->is.rlim_cur;
	return !limit_fds(&r->is, &r->was) ||
	       !sys_limit_raise(r, r->is.rlim_cur);
}

void sys_limit_restore(const struct sys_raised *r)
{
	struct rlimit now;

	if (!limit_fds(&r->was, &now) && now.rlim_cur != r->is.rlim_cur)
		limit_fds(&now, NULL);
}

long sys_opened(long nr, long a, long b, long c, long d)
{
	long ret = call(nr, a, b, c, d, 0, 0);
	struct sys_raised r;

	if (ret == -EMFILE && sys_limit_make_room(&r)) {
		ret = call(nr, a, b, c, d, 0, 0);
		sys_limit_restore(&r);
	}
	return ret;
}

static int dup_beyond(int fd, uint64_t end)
{
	struct sys_raised r;
	int high;

	if (sys_limit_raise(&r, end + BEYOND))
		return -EMFILE;
	high = dup_from(fd, end);
	sys_limit_restore(&r);
	return high;
}

static int dup_below(int fd, uint64_t end)
{
	int high = -EMFILE;

	for (unsigned room = ROOM; high < 0 && room; room /= 2)
		if (end > room + 3)
			high = dup_from(fd, end - room);
	return high;
}

static int dup_high(int fd, enum sys_fd_place place)
{
	uint64_t end = place == SYS_FD_FAR ? HIGHEST : SYS_FD_REACH;
	int high = -EMFILE;
	struct rlimit r;

	if (limit_fds(NULL, &r))
		return -EMFILE;
	if (place == SYS_FD_FAR && r.rlim_cur <= HIGHEST)
		high = dup_beyond(fd, r.rlim_cur);
	if (high < 0)
		high = dup_below(fd, end < r.rlim_cur ? end : r.rlim_cur);
	return high;
}

/* ---- The record ------------------------------------------------------- */

static void record(int fd, bool vital)
{
	int i = 0;

	sys_mutex_lock(&sys_kept_lock);
	while (i < SYS_MAX_KEPT && atomic_load(&sys_kept[i].number))
		i++;
	if (i < SYS_MAX_KEPT &&
	    identify(fd, &sys_kept[i].dev, &sys_kept[i].ino)) {
		if (i >= atomic_load(&sys_nr_kept))
			atomic_store(&sys_nr_kept, i + 1);
		sys_kept[i].vital = vital;
		serial += serial + 1 ? 1 : 2;
		atomic_store(&sys_kept[i].serial, serial);
		atomic_store(&sys_kept[i].number, fd);
	}
	sys_mutex_unlock(&sys_kept_lock);
}

/* Caller holds sys_kept_lock. */
static void forget_fd(struct sys_kept *k)
{
	uint32_t was = atomic_exchange(&k->serial, 0);

	atomic_store(&k->number, 0);
	sys_holder_drop((size_t)(k - sys_kept), was);
}

int sys_fd_keep(int fd, enum sys_fd_place place)
{
	int high;

	if (fd < 0)
		return fd;
	high = dup_high(fd, place);
	if (high >= 0) {
		call(SYS_close, fd, 0, 0, 0, 0, 0);
		fd = high;
	}
	record(fd, place != SYS_FD_SELECT);
	return fd;
}

void sys_close(int fd)
{
	struct sys_kept *k;
	bool same = true;

	sys_mutex_lock(&sys_kept_lock);
	k = sys_kept_find(fd);
	if (k) {
		same = sys_kept_is_same(k);
		forget_fd(k);
	}
	if (fd >= 0 && same)
		call(SYS_close, fd, 0, 0, 0, 0, 0);
	sys_mutex_unlock(&sys_kept_lock);
	if (k)
		sys_holder_idle();
}

int sys_fd_next(int from)
{
	int best = -1, end = atomic_load(&sys_nr_kept);

	for (int i = 0; i < end; i++) {
		int fd = atomic_load(&sys_kept[i].number);

		if (fd && fd >= from && (best < 0 || fd < best))
			best = fd;
	}
	return best;
}

void sys_fds_child(void)
{
	sys_mutex_reset(&sys_kept_lock);
	sys_holder_child();
}
