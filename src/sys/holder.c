/* SPDX-License-Identifier: MIT */
/*
 * holder.c - a thread that keeps our files open; see fds.h
 *
 * The holder's table of descriptors is a copy, made when the holder begins, in
 * which it closes all that is not ours.  When more descriptors are kept, a
 * second holder is started and replaces the first.  When a kept descriptor is
 * closed the holder is told, or the file would stay open.
 *
 * The holder also opens files that are read only once, like those of /proc: at
 * the lowest free number of the process's table another thread of the program,
 * or a child that is made in that moment, would see them.
 *
 * To put a descriptor back, a thread takes the holder's copy by pidfd_getfd(2)
 * and a pidfd of the holder itself, which Linux 6.9 has.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/fds_int.h"
#include "sys/sys.h"

#define EXIT_LOST    125
#define FREE	     64 /* numbers in a row that are not all open */
#define PIDFD_THREAD O_EXCL

/*
 * @asked, @done: counts of requests to close what is no longer kept; futexes
 * @held: the serial of the descriptor that it has, by place of the record
 * @errand, @arg: of sys_fds_apart(), or NULL
 */
struct holder {
	struct sys_thread thread;
	_Atomic int tid;
	_Atomic uint32_t asked, done;
	_Atomic bool stop;
	bool failed;
	void (*errand)(void *arg);
	void *arg;
	struct {
		int fd;
		uint32_t serial;
	} held[SYS_MAX_KEPT];
};

static struct sys_mutex start_lock; /* taken before the record's lock */
static struct holder holders[2];
static struct holder *holder; /* written under both locks */
static void (*_Atomic on_lost)(const char *why);
static _Atomic uint32_t loser; /* the thread that ends the process */

/* ---- The thread ------------------------------------------------------- */

static void list(struct holder *h)
{
	sys_mutex_lock(&sys_kept_lock);
	for (int i = 0; i < atomic_load(&sys_nr_kept); i++) {
		h->held[i].fd = atomic_load(&sys_kept[i].number);
		h->held[i].serial = atomic_load(&sys_kept[i].serial);
	}
	sys_mutex_unlock(&sys_kept_lock);
}

/* The lowest number at or after @from that @h keeps. */
static unsigned next_held(const struct holder *h, unsigned from)
{
	unsigned best = ~0u;

	for (int i = 0; i < SYS_MAX_KEPT; i++) {
		unsigned fd = (unsigned)h->held[i].fd;

		if (fd && fd >= from && fd < best)
			best = fd;
	}
	return best;
}

/* Close the numbers above all of ours first: unsharing then copies less. */
static int close_others(const struct holder *h)
{
	unsigned from = 0, fd;
	long ret;

	for (fd = 0; next_held(h, fd) != ~0u;)
		fd = next_held(h, fd) + 1;
	ret = call(SYS_close_range, fd, ~0u, CLOSE_RANGE_UNSHARE, 0, 0, 0);
	while (!ret && (fd = next_held(h, from)) != ~0u) {
		if (fd > from)
			ret = call(SYS_close_range, from, fd - 1, 0, 0, 0, 0);
		from = fd + 1;
	}
	return (int)ret;
}

static void drop_old(struct holder *h)
{
	for (int i = 0; i < SYS_MAX_KEPT; i++) {
		if (!h->held[i].fd ||
		    atomic_load(&sys_kept[i].serial) == h->held[i].serial)
			continue;
		call(SYS_close, h->held[i].fd, 0, 0, 0, 0, 0);
		h->held[i].fd = 0;
		h->held[i].serial = 0;
	}
}

static void hold(void *arg)
{
	struct holder *h = arg;
	uint32_t asked;

	list(h);
	h->failed = close_others(h);
	atomic_store(&h->tid, sys_gettid());
	while (!atomic_load(&h->stop)) {
		asked = atomic_load(&h->asked);
		if (asked == atomic_load(&h->done)) {
			sys_futex_wait(&h->asked, asked, 0);
			continue;
		}
		drop_old(h);
		if (h->errand)
			h->errand(h->arg);
		h->errand = NULL;
		atomic_store(&h->done, asked);
		sys_futex_wake(&h->done, 1);
	}
}

/* Wait until the holder has closed what is no longer kept, and did @errand. */
static void ask(struct holder *h)
{
	uint32_t want = atomic_fetch_add(&h->asked, 1) + 1, done;

	sys_futex_wake(&h->asked, 1);
	while ((done = atomic_load(&h->done)) != want)
		sys_futex_wait(&h->done, done, 0);
}

/* ---- Life ------------------------------------------------------------- */

static void stop(struct holder *h)
{
	atomic_store(&h->stop, true);
	atomic_fetch_add(&h->asked, 1);
	sys_futex_wake(&h->asked, 1);
	sys_thread_join(&h->thread);
}

static bool holds_all(const struct holder *h)
{
	bool all = true;

	sys_mutex_lock(&sys_kept_lock);
	for (int i = 0; h && i < atomic_load(&sys_nr_kept); i++)
		all &= atomic_load(&sys_kept[i].serial) == h->held[i].serial;
	sys_mutex_unlock(&sys_kept_lock);
	return h && all;
}

static void replace(struct holder *new)
{
	struct holder *old = holder;

	sys_mutex_lock(&sys_kept_lock);
	holder = new;
	if (new)
		ask(new);
	sys_mutex_unlock(&sys_kept_lock);
	if (old)
		stop(old);
}

static int start_holder(struct holder *h)
{
	int err;

	memset(h, 0, sizeof(*h));
	err = sys_thread_start(&h->thread, hold, h, -1, "uhmm-files");
	if (err)
		return err;
	ask(h);
	if (h->failed)
		stop(h);
	else
		replace(h);
	return 0;
}

int sys_fds_hold(void)
{
	int err = 0;

	sys_mutex_lock(&start_lock);
	if (!holds_all(holder))
		err = start_holder(holder == holders ? holders + 1 : holders);
	sys_mutex_unlock(&start_lock);
	return err;
}

void sys_holder_drop(size_t place, uint32_t serial)
{
	if (holder && holder->held[place].serial == serial &&
	    sys_is_marked_process())
		ask(holder);
}

bool sys_fds_apart(void (*fn)(void *arg), void *arg, size_t size)
{
	static _Alignas(max_align_t) char copy[256];
	bool done = false;
	uint64_t signals;

	if (size > sizeof(copy) || !sys_is_marked_process())
		return false;
	sys_signals_block(&signals);
	sys_mutex_lock(&sys_kept_lock);
	if (holder) {
		memcpy(copy, arg, size);
		holder->errand = fn;
		holder->arg = copy;
		ask(holder);
		memcpy(arg, copy, size);
		done = true;
	}
	sys_mutex_unlock(&sys_kept_lock);
	sys_signals_restore(signals);
	return done;
}

static bool has_no_fds(void)
{
	return sys_fd_next(1) < 0;
}

void sys_holder_idle(void)
{
	if (!has_no_fds() || !sys_is_marked_process())
		return;
	sys_mutex_lock(&start_lock);
	if (holder && has_no_fds())
		replace(NULL);
	sys_mutex_unlock(&start_lock);
}

void sys_holder_child(void)
{
	sys_mutex_reset(&start_lock);
	atomic_store(&loser, 0);
	holder = NULL;
}

/* ---- To have one back ------------------------------------------------- */

/* Get the holder's copy, at the lowest free number. */
static int fetch(int fd)
{
	int pidfd = (int)call(SYS_pidfd_open, atomic_load(&holder->tid),
			      PIDFD_THREAD, 0, 0, 0, 0);
	int ret;

	if (pidfd < 0)
		return pidfd;
	ret = (int)call(SYS_pidfd_getfd, pidfd, fd, 0, 0, 0, 0);
	call(SYS_close, pidfd, 0, 0, 0, 0, 0);
	return ret;
}

static int fetch_to(int fd)
{
	int got = fetch(fd), ret;

	if (got < 0 || got == fd)
		return got;
	ret = (int)call(SYS_dup3, got, fd, O_CLOEXEC, 0, 0, 0);
	call(SYS_close, got, 0, 0, 0, 0, 0);
	return ret;
}

/*
 * Put the holder's copy at @k's number.  The program may have used up its limit
 * of descriptors, so the limit is raised for a moment.
 */
static int put_back(const struct sys_kept *k)
{
	int fd = atomic_load(&k->number), ret;
	struct sys_raised r;

	if (!holder ||
	    holder->held[k - sys_kept].serial != atomic_load(&k->serial))
		return -ENOENT;
	if (sys_limit_raise(&r, (uint64_t)fd + FREE))
		return -EMFILE;
	ret = fetch_to(fd);
	sys_limit_restore(&r);
	return ret;
}

static bool is_open(int fd)
{
	return call(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) >= 0;
}

/*
 * The first thread writes the reason and ends the process; other threads wait
 * for that.  If @say brings the first thread here again, the process ends at
 * once.
 */
_Noreturn static void end_process(const char *why)
{
	void (*say)(const char *) = atomic_load(&on_lost);
	uint32_t tid = (uint32_t)sys_gettid(), first = 0;

	while (!atomic_compare_exchange_strong(&loser, &first, tid)) {
		if (first == tid)
			call(SYS_exit_group, EXIT_LOST, 0, 0, 0, 0, 0);
		sys_futex_wait(&loser, first, 0);
		first = 0;
	}
	if (say)
		say(why);
	_exit(EXIT_LOST);
}

/* Caller holds the lock.  Return: NULL, or the reason to end the process. */
static const char *mend(const struct sys_kept *k)
{
	bool taken = is_open(atomic_load(&k->number));

	if (taken && k->vital)
		return "the program put another file in the place of a "
		       "descriptor of libuhmm";
	if (taken)
		return NULL;
	for (int tries = 0; tries < 3; tries++)
		if (put_back(k) >= 0)
			return NULL;
	return "the program closed descriptors of libuhmm, and this kernel "
	       "cannot give them back";
}

bool sys_fd_mend(int fd, int err)
{
	const char *why = NULL;
	struct sys_kept *k;
	bool again = false;

	if (!sys_kept_find(fd) || !sys_is_marked_process())
		return false;
	sys_mutex_lock(&sys_kept_lock);
	k = sys_kept_find(fd);
	if (k && sys_kept_is_same(k)) {
		again = err == -EBADF; /* another thread was faster */
	} else if (k) {
		why = mend(k);
		again = sys_kept_is_same(k);
	}
	sys_mutex_unlock(&sys_kept_lock);
	if (why)
		end_process(why);
	return again;
}

bool sys_fd_usable(int fd)
{
	struct sys_kept *k;
	bool usable;

	sys_fd_mend(fd, 0);
	sys_mutex_lock(&sys_kept_lock);
	k = sys_kept_find(fd);
	usable = !k || sys_kept_is_same(k);
	sys_mutex_unlock(&sys_kept_lock);
	return usable;
}

void sys_fds_look(void)
{
	for (int fd = 0; (fd = sys_fd_next(fd + 1)) >= 0;)
		sys_fd_mend(fd, 0);
}

void sys_fds_short(void)
{
	end_process("libuhmm needs a descriptor to follow a fork, and the "
		    "process may open no more; raise its limit (ulimit -n)");
}

void sys_fds_on_lost(void (*say)(const char *why))
{
	atomic_store(&on_lost, say);
}
