/* SPDX-License-Identifier: MIT */
/*
 * calls.h - libc's system calls, where the kernel's own faults are not served.
 *
 * There a call that is given memory which is away, or was never touched, fails
 * with EFAULT or does less than asked.  Three ways to mend that:
 *
 * again: the call took nothing when it failed.  Its memory is brought home, and
 * it is made again.  An address that is really bad gets EFAULT as ever.
 *
 * go on: the call did a part, up to the page that was away, where programs
 * expect the whole.  The rest is done as well.
 *
 * hold: the call takes something even when it fails, a datagram say.  Its
 * memory is pinned around it.
 *
 * Functions that do one of these and nothing else are made from calls.table.
 *
 * As long as nothing failed the first costs a branch, and so do the others
 * until memory is managed.
 */
#ifndef UHMM_CALLS_H
#define UHMM_CALLS_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "preload.h"
#include "real.h"
#include "signals.h"

/* ---- Memory that a call uses ------------------------------------------- */

struct buf {
	const void *p; /* NULL: there is no buffer */
	size_t len;
	bool write; /* the kernel writes to it */
};

/* A string is taken to end within so many bytes, or with its mapping. */
#define STRING 4096

#define IN(p, len)                \
	{                         \
		(p), (len), false \
	}
#define OUT(p, len)              \
	{                        \
		(p), (len), true \
	}
#define STR(p)                     \
	{                          \
		(p), STRING, false \
	}
#define ARG(p)                           \
	{                                \
		(p), sizeof(*(p)), false \
	}
#define RES(p)                          \
	{                               \
		(p), sizeof(*(p)), true \
	}
#define NOTHING                \
	{                      \
		NULL, 0, false \
	}

extern _Atomic bool calls_active;

/* Is memory managed that the kernel may fail to use? */
static inline bool calls_on(void)
{
	return atomic_load_explicit(&calls_active, memory_order_acquire) &&
	       !thread.inside;
}

/* Around code that takes locks of this library: nothing interrupts it. */
void calls_enter(struct quiet *old);
void calls_leave(const struct quiet *old);

static inline size_t calls_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * After EFAULT: bring @bufs home.  @n: the number of the attempt, from 0.
 * True: errno is 0, make the call again.  False: the program gets the EFAULT.
 */
__attribute__((cold)) bool calls_again(unsigned n, const struct buf *bufs,
				       size_t nr);
/* As calls_again(), for the rest of a transfer: [p, p + len). */
bool calls_window(unsigned n, const void *p, size_t len, bool write);

#define BUFS(...)                                             \
	(const struct buf[]){ __VA_ARGS__ },                  \
		sizeof((const struct buf[]){ __VA_ARGS__ }) / \
			sizeof(struct buf)

/* Bring the managed pages of [p, p + len) home, to read them. */
bool calls_can_read(const void *p, size_t len);

/* Strings of an array that ends with NULL, and the array. */
bool calls_again_vector(unsigned n, char *const *vector);

/*
 * A transfer stopped before @p.  True: memory at @p was away and has been
 * brought home, so the transfer may go on.
 */
bool calls_stopped(const void *p, size_t len, bool write);

#define WINDOW	 ((size_t)256 << 10) /* brought home at a time */
#define PATIENCE 4 /* attempts until pages are pinned, not only brought home */
/* aio.c: one of libaio's calls, by its number */
bool aio_syscall(long number, const long *a, long *ret);

/* ring.c */
bool ring_is_refused(void);

/* ---- Memory that is held: held.c --------------------------------- */

/* The pins of one call.  @frame: of the function that made them */
struct hold {
	uintptr_t frame;
	unsigned nr;
};

/* Bring the managed parts of @bufs home and pin them.  False: not all. */
bool calls_hold(struct hold *h, const struct buf *bufs, size_t nr);
void calls_release(struct hold *h);
uint64_t calls_nr_held(void);

/*
 * Pins until the end of the block, also if the thread is cancelled.  A function
 * with a HOLD must not be inlined into another one: of two holds with the same
 * frame the older counts as left by a jump.
 */
#define HOLD_NOTHING                                                 \
	__attribute__((cleanup(calls_release))) struct hold hold = { \
		.frame = (uintptr_t)__builtin_frame_address(0)       \
	}

#define HOLD(...)                 \
	HOLD_NOTHING;             \
	if (unlikely(calls_on())) \
	(void)calls_hold(&hold, BUFS(__VA_ARGS__))

/*
 * Make the call at once where nothing has to be pinned.  The rest is APART: a
 * function of its own, so that the short way of calls as frequent as locks
 * needs no room on the stack.
 */
#define APART static __attribute__((noinline))
#define STRAIGHT(call)                   \
	do {                             \
		if (likely(!calls_on())) \
			return (call);   \
	} while (0)

/* Is [p, p + len) managed, or about to be, in part? */
bool calls_may_be_away(const void *p, size_t len);

/* ---- Transfers: transfer.c, vector.c ------------------------------ */

enum kind {
	FILE_KIND,   /* programs expect whole reads; a failure takes nothing */
	STREAM_KIND, /* a short transfer is normal; a failure takes nothing */
	TAKES_KIND,  /* a failed call may have taken data: pin first */
};

enum kind calls_kind_of(int fd);
enum kind calls_kind_of_socket(int fd);

/*
 * The rest of a call with one buffer.
 * @at: the offset in the file; -1: the file's own position
 * @flags, @addr, @addr_len, @ret_len: arguments of the calls that take them
 */
struct transfer {
	bool writes;
	int fd, flags;
	char *p;
	size_t len;
	off64_t at;
	const void *addr;
	socklen_t addr_len, *ret_len;
	ssize_t (*real)(const struct transfer *t);
};

/*
 * Make the call.  With @whole make it again until all bytes are transferred, it
 * stops for another reason than an away page, or that page cannot be brought
 * home.  Return: as the call.
 */
ssize_t calls_go_on(struct transfer *t, bool whole);
/* The rest of a call that has transferred @done bytes.  Return: all of them. */
ssize_t calls_finish(struct transfer t, ssize_t done, bool whole);

#define CALLS_MAX_BUFS 64 /* brought home at a time */

/* Copy up to @room entries of @vec, from byte @done on.  Return: how many. */
size_t calls_vec_rest(const struct iovec *vec, size_t nr, size_t done,
		      struct iovec *ret, size_t room);
size_t calls_vec_bytes(const struct iovec *vec, size_t nr);
/* Keep the first @room bytes.  Return: how many entries they are. */
size_t calls_vec_cut(struct iovec *vec, size_t nr, size_t room);
/* Bring home the array itself.  False: it cannot be read. */
bool calls_vec_home(const struct iovec *vec, size_t nr);
/* calls_again() for a vector. */
bool calls_vec_again(unsigned n, const struct iovec *vec, size_t nr,
		     bool write);
/* calls_hold() for a vector. */
bool calls_vec_hold(struct hold *h, const struct iovec *vec, size_t nr);
/* calls_may_be_away() for a vector. */
bool calls_vec_may_be_away(const struct iovec *vec, size_t nr);
/* calls_stopped() for a vector that is written from. */
bool calls_vec_stopped(const struct iovec *rest, size_t nr);

/* ---- Files with O_DIRECT, in every mode: direct.c ----------------- */

#define MAX_VEC 1024 /* of the kernel */

/* @at: the offset in the file; -1: the file's own position */
struct direct {
	bool writes;
	int fd, flags;
	const struct iovec *vec;
	size_t nr;
	off64_t at;
};

/* Could this buffer be used with O_DIRECT?  The file is not asked. */
static inline bool calls_is_aligned(const void *p, size_t len)
{
	return !(len & 511) && !((uintptr_t)p & 3);
}

static inline bool calls_may_be_direct(void)
{
	return manage_is_started() && !thread.inside;
}

bool calls_is_direct(int fd, const void *p, size_t len);
bool calls_is_direct_vec(int fd, const struct iovec *vec, int nr);
ssize_t calls_direct(const struct direct *d);

/* Return from a wrapper with calls_direct() if the transfer is direct. */
#define DIRECT(fd_, p_, len_, at_, writes_)                                   \
	do {                                                                  \
		if (unlikely(calls_may_be_direct()) && (len_) &&              \
		    calls_is_aligned(p_, len_) &&                             \
		    calls_is_direct(fd_, p_, len_))                           \
			return calls_direct(&(struct direct){                 \
				.fd = (fd_),                                  \
				.writes = (writes_),                          \
				.vec = &(struct iovec){ (void *)(p_), len_ }, \
				.nr = 1,                                      \
				.at = (at_) });                               \
	} while (0)

#define DIRECT_VEC(at_, flags_, writes_)                               \
	do {                                                           \
		if (unlikely(calls_may_be_direct()) &&                 \
		    calls_is_direct_vec(fd, vec, nr))                  \
			return calls_direct(                           \
				&(struct direct){ .fd = fd,            \
						  .writes = (writes_), \
						  .flags = (flags_),   \
						  .vec = vec,          \
						  .nr = (size_t)nr,    \
						  .at = (at_) });      \
	} while (0)

/*
 * The call itself, while no memory is managed.  That may have changed when the
 * call returns: it may have waited.  @finish, an expression with ret_ in it, is
 * what to return if a part was done.
 */
#define PLAIN_UNTIL(type, call, finish)                   \
	do {                                              \
		type ret_;                                \
                                                          \
		if (unlikely(calls_on()))                 \
			break;                            \
		ret_ = (call);                            \
		if (unlikely(ret_ > 0 && calls_on()))     \
			return (finish);                  \
		if (likely(ret_ >= 0 || errno != EFAULT)) \
			return ret_;                      \
	} while (0)

#define PLAIN(type, call) PLAIN_UNTIL(type, call, ret_)

/* ---- Made again -------------------------------------------------------- */

#define IS_MINUS_1(ret) ((ret) == -1 && errno == EFAULT)
#define IS_NULL(ret)	(!(ret) && errno == EFAULT)
#define IS_ERROR(ret)	((ret) == EFAULT)

/* A call that takes nothing when it fails is made, and made again. */
#define REPEAT(ret, failed, call, ...)                                    \
	do {                                                              \
		(ret) = (call);                                           \
		for (unsigned n_ = 0; unlikely(failed(ret)) &&            \
				      calls_again(n_, BUFS(__VA_ARGS__)); \
		     n_++)                                                \
			(ret) = (call);                                   \
	} while (0)

#endif
