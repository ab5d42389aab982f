// SPDX-License-Identifier: MIT
/*
 * Transfers that outlast the call that starts them: libaio's and those of
 * aio_read(3).
 *
 * The kernel, or a thread of the C library, uses the memory until the program
 * has asked for the result.  So the memory is pinned from the one call to the
 * other, in every mode, even above the limit.  The key of a transfer is the
 * address of the program's control block.
 */
/* pread() and pread64(), say, are two functions in this file. */
#undef _FILE_OFFSET_BITS
#include <aio.h>
#include <linux/aio_abi.h>

#include "calls/calls.h"
#include "mutex.h"

#define MAX_HELD_PARTS 8192

/* A pinned part of a transfer under way; @key NULL: the entry is free. */
static struct {
	const void *key;
	unsigned long queue;
	struct range part;
} held[MAX_HELD_PARTS];
static size_t nr_held; /* all later entries are free */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t before; /* the signal mask of the lock's holder */

/* As in manage.c: a handler in the holder's thread would wait for ever. */
static void acquire_aio(void)
{
	inside_enter();
	mutex_lock_quiet(&lock, &before);
}

static void release_aio(void)
{
	mutex_unlock_quiet(&lock, &before);
	inside_leave();
}

/* ---- Holding ------------------------------------------------------------ */

static bool keep_part(unsigned long queue, const void *key, struct range part)
{
	size_t i = 0;

	while (i < nr_held && held[i].key)
		i++;
	if (i == MAX_HELD_PARTS ||
	    manage_hold((void *)part.start, part.end - part.start))
		return false;
	held[i].key = key;
	held[i].queue = queue;
	held[i].part = part;
	nr_held = i < nr_held ? nr_held : i + 1;
	return true;
}

/* Unpin the memory of one transfer; @key NULL: of all in the queue. */
static void drop_transfers(unsigned long queue, const void *key)
{
	for (size_t i = 0; i < nr_held; i++) {
		const struct range *r = &held[i].part;

		if (!held[i].key || held[i].queue != queue ||
		    (key && held[i].key != key))
			continue;
		manage_release((void *)r->start, r->end - r->start);
		held[i].key = NULL;
	}
	while (nr_held && !held[nr_held - 1].key)
		nr_held--;
}

static bool keep(unsigned long queue, const void *key, const void *p,
		 size_t len, bool write)
{
	uintptr_t at = page_down((uintptr_t)p);
	uintptr_t end = page_up((uintptr_t)p + len);

	if (!len || end < at)
		return true;
	part_for_each(at, end, part) {
		if (!keep_part(queue, key, part))
			return false;
		manage_fault_in((void *)part.start, part.end - part.start,
				write);
	}
	return true;
}

/* Without a context no page is away, and a child inherits no transfer. */
static bool is_on(void)
{
	return manage_is_started() && !thread.inside;
}

void aio_forked(void)
{
	nr_held = 0;
	mutex_reset(&lock);
}

static void let_go(unsigned long queue, const void *key)
{
	int err = errno;

	if (!nr_held || thread.inside)
		return;
	acquire_aio();
	drop_transfers(queue, key);
	release_aio();
	errno = err;
}

/*
 * ---- libaio ----
 *
 * libaio's functions are the kernel's calls, with errors as return values.  The
 * ones here make the calls themselves: libaio may be loaded later, for a
 * library that we do not see.
 */

typedef unsigned long queue_t;

int io_submit(queue_t queue, long nr, struct iocb **list);
int io_getevents(queue_t queue, long least, long nr, struct io_event *events,
		 struct timespec *timeout);
int io_pgetevents(queue_t queue, long least, long nr, struct io_event *events,
		  struct timespec *timeout, sigset_t *mask);
int io_cancel(queue_t queue, struct iocb *cb, struct io_event *event);
int io_destroy(queue_t queue);

static bool keep_vec(queue_t queue, const struct iocb *cb, bool write)
{
	const struct iovec *vec = (void *)(uintptr_t)cb->aio_buf;
	bool all = cb->aio_nbytes <= MAX_VEC &&
		   keep(queue, cb, vec, cb->aio_nbytes * sizeof(*vec), false);

	for (size_t i = 0; all && i < cb->aio_nbytes; i++)
		all = keep(queue, cb, vec[i].iov_base, vec[i].iov_len, write);
	return all;
}

/* The control block as well: the kernel reads it, and writes its key there. */
static bool keep_block(queue_t queue, const struct iocb *cb)
{
	bool write = cb->aio_lio_opcode == IOCB_CMD_PREAD ||
		     cb->aio_lio_opcode == IOCB_CMD_PREADV;

	if (!keep(queue, cb, cb, sizeof(*cb), true))
		return false;
	if (cb->aio_lio_opcode == IOCB_CMD_PREAD ||
	    cb->aio_lio_opcode == IOCB_CMD_PWRITE)
		return keep(queue, cb, (void *)(uintptr_t)cb->aio_buf,
			    cb->aio_nbytes, write);
	if (cb->aio_lio_opcode == IOCB_CMD_PREADV ||
	    cb->aio_lio_opcode == IOCB_CMD_PWRITEV)
		return keep_vec(queue, cb, write);
	return true;
}

static int result(long ret)
{
	return ret < 0 ? -errno : (int)ret;
}

/*
 * Submit as many transfers as can be pinned; if none can, fail with -EAGAIN,
 * after which a program waits.
 */
EXPORT int io_submit(queue_t queue, long nr, struct iocb **list)
{
	long n = 0;
	int done;

	if (!is_on() || nr <= 0)
		return result(syscall(SYS_io_submit, queue, nr, list));
	HOLD(IN(list, (size_t)nr * sizeof(*list)));
	acquire_aio();
	for (; n < nr; n++) {
		if (keep_block(queue, list[n]))
			continue;
		drop_transfers(queue, list[n]);
		break;
	}
	release_aio();
	done = n ? result(syscall(SYS_io_submit, queue, n, list)) : -EAGAIN;
	for (long i = done > 0 ? done : 0; i < n; i++)
		let_go(queue, list[i]);
	return done;
}

static int ended(queue_t queue, int nr, const struct io_event *events)
{
	for (int i = 0; i < nr; i++)
		let_go(queue, (void *)(uintptr_t)events[i].obj);
	return nr;
}

static int get_events(queue_t queue, long least, long nr,
		      struct io_event *events, struct timespec *timeout)
{
	return result(
		syscall(SYS_io_getevents, queue, least, nr, events, timeout));
}

static int get_masked(queue_t queue, long least, long nr,
		      struct io_event *events, struct timespec *timeout,
		      const sigset_t *mask)
{
	struct {
		const sigset_t *mask;
		size_t len;
	} given = { mask, 8 };

	return result(syscall(SYS_io_pgetevents, queue, least, nr, events,
			      timeout, &given));
}

EXPORT int io_getevents(queue_t queue, long least, long nr,
			struct io_event *events, struct timespec *timeout)
{
	if (!is_on() || nr <= 0)
		return get_events(queue, least, nr, events, timeout);
	HOLD(OUT(events, (size_t)nr * sizeof(*events)), RES(timeout));
	return ended(queue, get_events(queue, least, nr, events, timeout),
		     events);
}

EXPORT int io_pgetevents(queue_t queue, long least, long nr,
			 struct io_event *events, struct timespec *timeout,
			 sigset_t *mask)
{
	if (!is_on() || nr <= 0)
		return get_masked(queue, least, nr, events, timeout, mask);
	HOLD(OUT(events, (size_t)nr * sizeof(*events)), RES(timeout),
	     RES(mask));
	return ended(queue, get_masked(queue, least, nr, events, timeout, mask),
		     events);
}

EXPORT int io_cancel(queue_t queue, struct iocb *cb, struct io_event *event)
{
	int ret = result(syscall(SYS_io_cancel, queue, cb, event));

	if (!ret)
		let_go(queue, cb);
	return ret;
}

/* The kernel waits for all transfers of the queue. */
EXPORT int io_destroy(queue_t queue)
{
	int ret = result(syscall(SYS_io_destroy, queue));

	if (!ret)
		let_go(queue, NULL);
	return ret;
}

static int by_number(long number, const long *a)
{
	queue_t queue = (queue_t)a[0];

	switch (number) {
	case SYS_io_submit:
		return io_submit(queue, a[1], (struct iocb **)a[2]);
	case SYS_io_getevents:
		return io_getevents(queue, a[1], a[2], (struct io_event *)a[3],
				    (struct timespec *)a[4]);
	case SYS_io_cancel:
		return io_cancel(queue, (struct iocb *)a[1],
				 (struct io_event *)a[2]);
	case SYS_io_destroy:
		return io_destroy(queue);
	default:
		return -ENOSYS;
	}
}

/*
 * Programs mix libaio with syscall(2): a transfer that one of them started may
 * be ended by the other.
 */
bool aio_syscall(long number, const long *a, long *ret)
{
	int done;

	if (number != SYS_io_submit && number != SYS_io_getevents &&
	    number != SYS_io_cancel && number != SYS_io_destroy)
		return false;
	done = by_number(number, a);
	if (done < 0)
		errno = -done;
	*ret = done < 0 ? -1 : done;
	return true;
}

/* ---- POSIX --------------------------------------------------------------- */

#define POSIX_QUEUE 0

static bool keep_posix(const void *cb, const volatile void *p, size_t len,
		       bool write)
{
	bool all;

	if (!is_on())
		return true;
	acquire_aio();
	drop_transfers(POSIX_QUEUE, cb);
	all = keep(POSIX_QUEUE, cb, (const void *)p, len, write);
	release_aio();
	if (!all)
		errno = EAGAIN;
	return all;
}

#define START(name, type, write)                                        \
	FIND(name);                                                     \
	EXPORT int name(struct type *cb)                                \
	{                                                               \
		int ret = -1;                                           \
                                                                        \
		if (keep_posix(cb, cb->aio_buf, cb->aio_nbytes, write)) \
			ret = REAL(name)(cb);                           \
		if (ret)                                                \
			let_go(POSIX_QUEUE, cb);                        \
		return ret;                                             \
	}

#define LIST(name, type)                                                 \
	FIND(name);                                                      \
	EXPORT int name(int mode, struct type *const list[], int nr,     \
			struct sigevent *event)                          \
	{                                                                \
		for (int i = 0; i < nr; i++) {                           \
			struct type *cb = list[i];                       \
                                                                         \
			if (cb && cb->aio_lio_opcode != LIO_NOP &&       \
			    !keep_posix(cb, cb->aio_buf, cb->aio_nbytes, \
					cb->aio_lio_opcode == LIO_READ)) \
				return -1;                               \
		}                                                        \
		return REAL(name)(mode, list, nr, event);                \
	}

#define RETURN(name, type)                    \
	FIND(name);                           \
	EXPORT ssize_t name(struct type *cb)  \
	{                                     \
		ssize_t ret = REAL(name)(cb); \
                                              \
		let_go(POSIX_QUEUE, cb);      \
		return ret;                   \
	}

START(aio_read, aiocb, true)
START(aio_read64, aiocb64, true)
START(aio_write, aiocb, false)
START(aio_write64, aiocb64, false)
LIST(lio_listio, aiocb)
LIST(lio_listio64, aiocb64)
RETURN(aio_return, aiocb)
RETURN(aio_return64, aiocb64)
