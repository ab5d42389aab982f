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

/* ---- Memory that a call uses ------------------------------------------- */

struct buf {
	const void *p; /* NULL: none */
	size_t len;
	bool write; /* by the kernel */
};

/* What a string may be long: it ends before, or at the end of its mapping. */
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

/* Around what takes locks. */
void calls_enter(struct quiet *old);
void calls_leave(const struct quiet *old);

static inline size_t calls_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * After EFAULT: bring @bufs home.  @n: which time it is, from 0.  False: the
 * program is to have the EFAULT.  Else errno is 0.
 */
__attribute__((cold)) bool calls_again(unsigned n, const struct buf *bufs,
				       size_t nr);
/* The same for the rest of a transfer, beginning at @p. */
bool calls_window(unsigned n, const void *p, size_t len, bool write);

#define BUFS(...)                                             \
	(const struct buf[]){ __VA_ARGS__ },                  \
		sizeof((const struct buf[]){ __VA_ARGS__ }) / \
			sizeof(struct buf)

/* What is ours to read is home. */
bool calls_can_read(const void *p, size_t len);

/* Strings of an array that ends with NULL, and the array. */
bool calls_again_vector(unsigned n, char *const *vector);

/*
 * A call stopped before @p.  Was that since memory there is away?  It is home
 * then.
 */
bool calls_stopped(const void *p, size_t len, bool write);

#define WINDOW	 ((size_t)256 << 10) /* brought home at a time */
#define PATIENCE 4 /* tries until what was brought home is held there */
/* aio.c: one of libaio's calls, by its number */
bool aio_syscall(long number, const long *a, long *ret);

/* ring.c */
bool ring_is_refused(void);

/* ---- Memory that is held: held.c --------------------------------- */

/* By a call in the function that has the frame. */
struct hold {
	uintptr_t frame;
	unsigned nr;
};

/* Pin what of it is managed, and have it there.  False: not all. */
bool calls_hold(struct hold *h, const struct buf *bufs, size_t nr);
void calls_release(struct hold *h);
uint64_t calls_nr_held(void);

/*
 * Until the end of the block, even if the thread is cancelled.  A function that
 * holds and is called by one that does is not inlined there: of two with the
 * same frame the older is taken to have been left by a jump.
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
 * The call itself, where nothing has to be held: locks are taken often, so the
 * rest is APART, in a function of its own that needs room on the stack.
 */
#define APART static __attribute__((noinline))
#define STRAIGHT(call)                   \
	do {                             \
		if (likely(!calls_on())) \
			return (call);   \
	} while (0)

/* Is [p, p + len) managed, or about to be, in part? */
bool calls_may_be_away(const void *p, size_t len);

/* ---- Transfers: transfer.c ---------------------------------------- */

enum kind {
	FILE_KIND,   /* no short reads, and nothing is taken by a failure */
	STREAM_KIND, /* nothing is taken by a failure */
	TAKES_KIND,
};

enum kind calls_kind_of(int fd);
enum kind calls_kind_of_socket(int fd);

/*
 * What is left of a call on one buffer.
 * @at: where in the file; -1: where it is
 * @flags, @addr, @addr_len, @ret_len: of those that have them
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
 * Make the call, and again until all is done (@whole), something else is in the
 * way, or nothing could be brought home.  Return: as the call.
 */
ssize_t calls_go_on(struct transfer *t, bool whole);

#define CALLS_MAX_BUFS 64 /* brought home at a time */

/* Entries of @vec, behind its first @done bytes, of which @room are enough. */
size_t calls_vec_rest(const struct iovec *vec, size_t nr, size_t done,
		      struct iovec *ret, size_t room);
size_t calls_vec_bytes(const struct iovec *vec, size_t nr);
/* Can it be read? */
bool calls_vec_home(const struct iovec *vec, size_t nr);
/* calls_again() for a vector. */
bool calls_vec_again(unsigned n, const struct iovec *vec, size_t nr,
		     bool write);
/* False: not all of it. */
bool calls_vec_hold(struct hold *h, const struct iovec *vec, size_t nr);
/* calls_stopped() for a vector that is written from. */
bool calls_vec_stopped(const struct iovec *rest, size_t nr);

/* ---- Files with O_DIRECT, in every mode: direct.c ----------------- */

#define MAX_VEC 1024 /* of the kernel */

/* @at: where in the file; -1: where it is */
struct direct {
	bool writes;
	int fd, flags;
	const struct iovec *vec;
	size_t nr;
	off64_t at;
};

/* As far as is known from the arguments. */
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

/* What a call does then, instead of the rest of it. */
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

/* The call itself, while no memory is managed. */
#define PLAIN(type, call)                                 \
	do {                                              \
		type ret_;                                \
                                                          \
		if (unlikely(calls_on()))                 \
			break;                            \
		ret_ = (call);                            \
		if (likely(ret_ >= 0 || errno != EFAULT)) \
			return ret_;                      \
	} while (0)

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
