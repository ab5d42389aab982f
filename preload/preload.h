/* SPDX-License-Identifier: MIT */
/*
 * preload.h - the library that "uhmm run" loads into a program.
 *
 * It answers the program's malloc family from jemalloc arenas in ranges that
 * uhmm can manage, and sees the program's large anonymous mappings.
 *
 * Management is lazy.  All memory that the program might touch is counted
 * before the program gets it.  While the sum is within the limit, nothing is
 * registered, no context is open and no thread runs: a program that fits pays
 * nothing.  The request that would pass the limit opens the context first and
 * registers all there is; from then on each range is registered before the
 * program gets it.  So the limit cannot be passed unseen.
 *
 * Memory of libuhmm, of the dynamic linker and for jemalloc's metadata must not
 * lie in managed ranges, or serving a fault could fault.  A thread that runs
 * inside us or libuhmm, and each thread created there, has @inside set: its
 * allocations come from jemalloc's default arena, its mappings are its own.
 *
 * DOC: Locks
 *
 * In this order; none but the last two is taken by code that runs inside:
 *
 *	arena.c		which arenas there are; held around jemalloc's own locks
 *	jemalloc	its own; held over the extent hooks, which count memory
 *	manage.c	what is managed; held over calls into libuhmm
 *	aio.c		blocks of requests that are under way; a leaf
 *	nofork.c	memory that children do not have; held during fork(2)
 *			and over calls that change mappings; a leaf
 *	shared.c	where shared memory is managed; a leaf
 *	signals.c	the program's handlers; a leaf, spun on with all signals
 *			blocked
 */
#ifndef UHMM_PRELOAD_H
#define UHMM_PRELOAD_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "settings.h"

#define EXPORT __attribute__((visibility("default")))
/* Another name of @fn, which this file defines. */
#if __has_attribute(copy)
#define ALIAS_OF(fn) __attribute__((alias(#fn), copy(fn)))
#else
#define ALIAS_OF(fn) __attribute__((alias(#fn)))
#endif
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define PAGE	     uhmm_page_size()
#define BLOCK	     ((size_t)2 << 20)
#define page_down(x) ((x) & ~(PAGE - 1))
#define page_up(x)   page_down((x) + PAGE - 1)

struct range {
	uintptr_t start, end;
};

/* ---- This thread ------------------------------------------------------- */

struct thread {
	unsigned inside;
	bool has_arena;
	bool prepared;	   /* fork.c: libuhmm's handler has run */
	bool ready;	   /* malloc may take the short way */
	bool is_library;   /* a thread of libuhmm */
	bool has_bus;	   /* a sent SIGBUS waits until it is unblocked */
	uint64_t hidden;   /* signals the program believes blocked: masks.c */
	void *stack;	   /* our signal stack: stacks.c */
	unsigned stack_nr; /* index + 1 of the program's signal stack */
	stack_t small;	   /* the program's signal stack, too small to use */
	struct range own;  /* the thread's stack, if known: stacks.c */
};

extern __thread struct thread thread __attribute__((tls_model("initial-exec")));

static inline void inside_enter(void)
{
	thread.inside++;
	thread.ready = false;
}

static inline void inside_leave(void)
{
	thread.inside--;
	thread.ready = thread.has_arena && !thread.inside && !settings.calls;
}

/* ---- The kernel's calls, past our own functions of the same names ------- */

static inline void *sys_mmap(void *addr, size_t len, int prot, int flags,
			     int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

static inline int sys_madvise(void *addr, size_t len, int advice)
{
	return (int)syscall(SYS_madvise, addr, len, advice);
}

static inline int sys_munmap(void *addr, size_t len)
{
	return (int)syscall(SYS_munmap, addr, len);
}

/* Memory of our own: zeroed, never managed.  NULL when there is none. */
static inline void *own_alloc(size_t len)
{
	void *p = sys_mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* ---- ranges.c: a set of address ranges ---------------------------------- */

/* Sorted, neither touching nor overlapping. */
struct ranges {
	struct range *list;
	size_t nr, room;
	size_t bytes;
};

/* *@ret: the part of @r that lies in [start, end).  False: there is none. */
bool range_common(const struct range *r, uintptr_t start, uintptr_t end,
		  struct range *ret);
bool ranges_add(struct ranges *set, uintptr_t start, uintptr_t end);
/* False: no memory to split a range; @set is unchanged. */
bool ranges_remove(struct ranges *set, uintptr_t start, uintptr_t end);
bool ranges_hit(const struct ranges *set, uintptr_t addr);
bool ranges_cover(const struct ranges *set, uintptr_t start, uintptr_t end);
/* The first range that ends beyond @addr. */
bool ranges_next(const struct ranges *set, uintptr_t addr, struct range *ret);

/* ---- reserve.c: address space for the arenas ---------------------------- */

/* The caller holds manage.c's lock. */
void *reserve_take(size_t len, size_t align);
/* jemalloc may touch [start, end) from now on, or has given it back. */
void reserve_commit(uintptr_t start, uintptr_t end);
void reserve_decommit(uintptr_t start, uintptr_t end);
/* Bytes of all blocks with at least one committed page. */
size_t reserve_bytes(void);
bool reserve_has(uintptr_t addr);
/* The @n-th part that reserve_take() handed out.  False: there are fewer. */
bool reserve_part(size_t n, struct range *ret);
/* Do @a and @b lie in the same part? */
bool reserve_is_same(uintptr_t a, uintptr_t b);

/* ---- manage.c: counting, and the context once it is needed -------------- */

/* The constructor calls this.  Memory mapped earlier is not counted. */
void manage_init(void);
/* Does a limit hold in this process? */
bool manage_is_on(void);
/* Is the context open, so that faults are served? */
bool manage_is_started(void);
/* A part of the reserve for an arena; NULL when there is none. */
void *manage_extent(size_t len, size_t align, bool commit);
void manage_commit(uintptr_t start, uintptr_t end);
void manage_decommit(uintptr_t start, uintptr_t end);
/* Memory is counted that is not managed. */
void manage_check(void);
/* May @len more bytes be populated unmanaged, within the limit? */
bool manage_may_populate(size_t len);
/* The kernel has made a mapping; the program was not told of it yet. */
void manage_mapped(uintptr_t start, uintptr_t end);
/* The program is about to unmap or replace [start, end). */
void manage_unmapping(uintptr_t start, uintptr_t end);
/* The program has mapped [start, end) without access, for later use. */
void manage_reserved(uintptr_t start, uintptr_t end);
/* A part of reserved addresses lost its access and its data. */
void manage_closed(uintptr_t start, uintptr_t end);
/* A part of reserved addresses got access; other memory is ignored. */
void manage_opened(uintptr_t start, uintptr_t end);
bool manage_has(uintptr_t addr);

/*
 * Bring all pages home and keep them there.  For handlers of fatal signals.
 * -errno: some pages may still be away.
 */
int manage_rescue(unsigned patience_ms);
/*
 * Pin the pages of [start, end) in RAM, or unpin them.  A page that was never
 * touched stays untouched.  -ENOENT: the range is not managed, or not yet.
 */
int manage_pin(uintptr_t start, uintptr_t end, bool pinned);
/* The managed parts of [start, end), at most @max.  Return: how many. */
size_t manage_parts(uintptr_t start, uintptr_t end, struct range *ret,
		    size_t max);
/* Call @fn with the context, or NULL.  @open: open it if it could be. */
void manage_with(void (*fn)(struct uhmm *u, const struct range *r),
		 const struct range *r, bool open);
/* Stop managing [start, end) for good; the data stay. */
void manage_exclude(uintptr_t start, uintptr_t end);
/* The first managed part of [start, end).  Any thread may ask at any time. */
bool manage_part(uintptr_t start, uintptr_t end, struct range *ret);
/* Each managed part of [start, end): struct range @part. */
#define part_for_each(start, end, part)          \
	for (struct range part = { 0, (start) }; \
	     part.end < (end) && manage_part(part.end, (end), &part);)
/* The first managed mapping that ends after @start_; no part of the heap. */
bool manage_next(uintptr_t start, uintptr_t end, struct range *ret);
/* uhmm_fault_in(), uhmm_pin() and uhmm_unpin(); -ENODEV without a context */
ssize_t manage_fault_in(const void *p, size_t len, bool write);
int manage_hold(const void *p, size_t len);
int manage_release(const void *p, size_t len);
/*
 * The program is about to discard the range, or to protect it.  Return: 0: no
 * mapping there is replaced until manage_changed(), which is given this.
 */
int manage_clears(const void *p, size_t len);
int manage_protects(const void *p, size_t len);
void manage_changed(const void *p, size_t len, int announced);
/* uhmm_object_remove() */
int manage_remove(void *p, size_t len);
struct manage_state {
	bool started;
	int error;	  /* why the context could not be opened */
	size_t peak;	  /* most bytes counted before the start */
	size_t unmanaged; /* bytes that could not be registered */
	int why;	  /* the last -errno of a refused registration */
	struct uhmm *u;
};

void manage_state(struct manage_state *ret);
/* The @n-th device, or NULL. */
struct uhmm_device *manage_device(size_t n);

/*
 * The program is about to forbid the system call @call: bring all pages home
 * and manage nothing any more.  @quiet: later rt_sigprocmask(2) is forbidden
 * as well.
 */
void manage_stop(const char *call, bool quiet);
/*
 * End libuhmm's threads if the program runs this thread alone.  False: libuhmm
 * has no threads, or the program has several; nothing is done.
 */
bool manage_pause(void);
/* Start libuhmm's threads again. */
void manage_resume(void);
/* The program is about to start its second thread. */
void manage_threaded(void);

/* In the child of a fork(2), before and after jemalloc's handler: fork.c. */
void manage_forked(void);
void manage_forked_late(void);

/* ---- uses.c: calls into the context, and its end ------------------------ */

/* The context for manage_fault_in(), _hold() and _release(); NULL: none. */
void uses_set(struct uhmm *u);
/* In a forked child: no call is under way. */
void uses_reset(void);
/* After uses_set(NULL): wait for calls under way.  False: one does not end. */
bool uses_settle(void);

/* ---- devices.c ---------------------------------------------------------- */

int devices_open(struct uhmm *u);
void devices_forget(void);

/* ---- arena.c: jemalloc's hooks ------------------------------------------ */

void arena_init(void);
/* From now on jemalloc keeps free memory: giving it back is a system call. */
void arena_keep(void);
/* Give this thread an arena in managed memory. */
void arena_assign(void);

/* ---- heap.c ------------------------------------------------------------- */

/* Call after settings_read(). */
void heap_start(void);
/* Find jemalloc; without it the bootstrap buffer serves. */
void heap_init(void);
/* A function of jemalloc's, or NULL. */
void *heap_find(const char *name);
/* While @locked, code inside this library allocates without jemalloc. */
void heap_lock(bool locked);

/* ---- symbols.c: what the C library's table says ------------------------- */

/* Let libc's own symbols lead to our functions.  Call after real_init(). */
void symbols_init(void);

/* ---- map.c -------------------------------------------------------------- */

/* Find where our code, jemalloc's, libuhmm's and libc's lie. */
void map_init(void);
/* The code of libc and of the dynamic linker. */
extern struct range map_libc[2];

static inline bool map_is_libc(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	return at - map_libc[0].start < map_libc[0].end - map_libc[0].start ||
	       at - map_libc[1].start < map_libc[1].end - map_libc[1].start;
}

/* Is @caller in our code, jemalloc's or libuhmm's? */
bool map_is_own(const void *caller);
/* Is @caller code of the program, and are its mappings counted? */
bool map_is_watched(const void *caller);
/* Is @caller in libuhmm? */
bool map_is_library(const void *caller);
/* syscall(2) by @caller with arguments @a.  Return: whether it was served. */
bool map_syscall(long number, const long *a, const void *caller, long *ret);

/* ---- shared.c: shared anonymous memory ----------------------------------- */

/* Is it large enough, and of the kind that --shared=anon is about? */
bool shared_is_candidate(size_t len, int flags);
/* The kernel has made such a mapping; the program was not told of it yet. */
void shared_mapped(uintptr_t start, uintptr_t end);
/* The kernel has replaced [start, end), which was never free. */
void shared_replaced(uintptr_t start, uintptr_t end);

#define SHARED_PARTS 8

struct shared_parts {
	struct range part[SHARED_PARTS];
	size_t nr;
};

/*
 * The kernel is about to unmap or move [start, end), of which @ret->part is
 * managed: views there are forgotten.  shared_unmapped() must follow; @done:
 * the kernel has done it.
 */
void shared_unmapping(uintptr_t start, uintptr_t end, struct shared_parts *ret);
void shared_unmapped(const struct shared_parts *parts, bool done);
/* [start, end) shows managed memory now. */
void shared_added(uintptr_t start, uintptr_t end);
/* The first part of [start, end) that is managed.  Any thread may ask. */
bool shared_next(uintptr_t start, uintptr_t end, struct range *ret);
/* MADV_REMOVE.  False: let the kernel do it. */
bool shared_remove(void *addr, size_t len);
/* The context is closed: memory that it had is the program's alone. */
void shared_closed(void);
/* In a forked child: what the parent manages is not managed here. */
void shared_forked(void);
/* Bytes mapped now that are not managed, and count; not for --resident. */
size_t shared_counted(void);
/* Bytes mapped and not managed.  *@ret_why: -errno, or 0: --shared=no */
size_t shared_unmanaged(int *ret_why);

/* ---- maps.c ------------------------------------------------------------ */

/* @anon: private anonymous memory */
struct vma {
	uintptr_t start, end;
	int prot;
	bool anon;
};

typedef void maps_fn(const struct vma *vma, void *arg);

int maps_walk(maps_fn *fn, void *arg);
/*
 * Touch each page of @range that is mapped and accessible.  A writable page is
 * written with the value that it holds, atomically, so that other threads may
 * use it meanwhile.
 */
void maps_touch(struct range range);

/* ---- remap.c ------------------------------------------------------------ */

/* mremap(2) of a mapping that management has split into several. */
void *remap(void *old, size_t old_len, size_t len, int flags, void *target);

/* ---- present.c ---------------------------------------------------------- */

#define MAX_PRESENT 64

struct present {
	struct range parts[MAX_PRESENT];
	size_t nr;
};

bool present_wanted(void);
/* Bring [addr, addr + len) home and pin it, if present_wanted(). */
void present_add(struct present *p, const void *addr, size_t len);
/* Like present_add(), but in every mode. */
void present_always(struct present *p, const void *addr, size_t len);
/* Unpin all parts. */
void present_end(const struct present *p);

/* ---- advise.c ------------------------------------------------------------ */

/* madvise(2) with MADV_DONTNEED, MADV_DONTNEED_LOCKED or MADV_FREE. */
int advise_discard(void *addr, size_t len, int advice);
/* madvise(2) by the program */
int advise(void *addr, size_t len, int advice);

/* ---- nofork.c: what is kept from children -------------------------------- */

/* madvise(2) with MADV_DONTFORK or MADV_DOFORK. */
int nofork_advise(uintptr_t start, uintptr_t end, int advice);
/* [start, end) was unmapped or replaced, or is about to be. */
void nofork_forget(uintptr_t start, uintptr_t end);
/* mremap(2) */
void *nofork_remap(void *old, size_t old_len, size_t len, int flags,
		   void *target);
/*
 * Around fork(2).  libuhmm has all managed memory copied to the child;
 * nofork_prepare() then keeps the program's ranges from the child again, and
 * takes the lock of nofork.c with all signals blocked.  nofork_end() gives the
 * lock back, in both processes.
 */
void nofork_prepare(void);
void nofork_end(void);
/* In the child: call @gone for each range that the child does not have. */
void nofork_child(void (*gone)(uintptr_t start, uintptr_t end));

/* ---- streams.c: stdio in a fork ----------------------------------------- */

void streams_init(void);
/* Around fork(2), outside jemalloc's locks. */
void streams_lock(void);
void streams_unlock(void);
/* In the child, instead of streams_unlock(). */
void streams_forked(void);

/* ---- filter.c ----------------------------------------------------------- */

/* Call before the program's prctl(2), and before its syscall(2). */
void filter_prctl(unsigned long op, unsigned long mode, unsigned long prog);
void filter_syscall(long number, const long *a);

/* ---- fork.c ------------------------------------------------------------ */

int fork_init(void);
/* Call after jemalloc has registered its fork handlers. */
void fork_late_init(void);

/* ---- calls/: system calls where the kernel's faults are not served ------ */

/* @u serves faults from now on; NULL: faults are no longer served. */
void calls_started(struct uhmm *u);
/*
 * How many calls were made again, and how many had their memory pinned.  False:
 * the kernel's faults are served, so neither is needed.
 */
bool calls_count(uint64_t *ret_again, uint64_t *ret_held);

/* ---- calls/held.c: memory that calls have pinned ------------------------ */

/* In a forked child: forget the pins of the parent's calls. */
void calls_forked(void);
/* The calling thread ends: release its pins. */
void calls_ended(void);

/* ---- calls/aio.c: transfers that go on when their call has returned ------ */

/* In a forked child: no transfer is under way. */
void aio_forked(void);

/* ---- robust.c: mutexes that the kernel touches by itself ---------------- */

/* The caller holds manage.c's lock, and the context is open. */
void robust_pin(int (*pin)(uintptr_t start, uintptr_t end));
/* In a forked child: nothing is pinned. */
void robust_forked(void);

/* ---- remote.c: memory that others than this process would use ----------- */

/* Must this socket option be refused, because pages move under it? */
bool remote_refuses(int level, int name);
/* Call before the program's ioctl(2). */
void remote_ioctl(unsigned long request, const void *arg, const void *caller);

/* ---- summary.c ---------------------------------------------------------- */

void summary_init(void);
/* Once, at the end of the process that "uhmm run" became. */
void summary_write(void);
/* Print a sentence on standard error, even if the program closed fd 2. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

#endif
