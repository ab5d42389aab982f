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

#define PAGE	   uhmm_page_size()
#define BLOCK	   ((size_t)2 << 20)
#define page_up(x) (((x) + PAGE - 1) & ~(PAGE - 1))

struct range {
	uintptr_t start, end;
};

/* ---- This thread ------------------------------------------------------- */

struct thread {
	unsigned inside;
	bool has_arena;
	bool prepared; /* fork.c: libuhmm's handler has run */
	bool ready;    /* malloc may take the short way */
	bool is_library;
	bool has_bus;	   /* one waits until it is unblocked */
	uint64_t hidden;   /* signals that it thinks it blocks: masks.c */
	void *stack;	   /* for handlers, ours: stacks.c */
	unsigned stack_nr; /* the program's own for that, + 1 */
	stack_t small;	   /* the program's, too small: ours stands for it */
	struct range own;  /* its stack, as far as known: stacks.c */
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

/* What @r has of [start, end).  Return: whether that is anything. */
bool range_common(const struct range *r, uintptr_t start, uintptr_t end,
		  struct range *ret);
bool ranges_add(struct ranges *set, uintptr_t start, uintptr_t end);
/* False when there is no memory to split a range; nothing changed. */
bool ranges_remove(struct ranges *set, uintptr_t start, uintptr_t end);
bool ranges_hit(const struct ranges *set, uintptr_t addr);
bool ranges_cover(const struct ranges *set, uintptr_t start, uintptr_t end);
/* The first range that ends beyond @addr. */
bool ranges_next(const struct ranges *set, uintptr_t addr, struct range *ret);

/* ---- reserve.c: address space for the arenas ---------------------------- */

/* Called with manage.c's lock held. */
void *reserve_take(size_t len, size_t align);
/* Memory of arenas may be touched (again), or was given back. */
void reserve_commit(uintptr_t start, uintptr_t end);
void reserve_decommit(uintptr_t start, uintptr_t end);
/* Bytes in blocks of which a page may be touched. */
size_t reserve_bytes(void);
bool reserve_has(uintptr_t addr);
/* Each part handed out so far, in turn.  False after the last. */
bool reserve_part(size_t n, struct range *ret);
bool reserve_is_same(uintptr_t a, uintptr_t b);

/* ---- manage.c: counting, and the context once it is needed -------------- */

/* The constructor calls it; before, nothing is counted. */
void manage_init(void);
/* Is there a limit, for this process too? */
bool manage_is_on(void);
/* Are faults served already? */
bool manage_is_started(void);

/* A part of the reserve for an arena; NULL when there is none. */
void *manage_extent(size_t len, size_t align, bool commit);
void manage_commit(uintptr_t start, uintptr_t end);
void manage_decommit(uintptr_t start, uintptr_t end);

/* Would so much fit, so that it may be touched before it is managed? */
bool manage_may_populate(size_t len);
/* A mapping that the program does not have yet. */
void manage_mapped(uintptr_t start, uintptr_t end);
/* It will be unmapped or replaced. */
void manage_unmapping(uintptr_t start, uintptr_t end);
/* Addresses that the program may not use yet, but has for later. */
void manage_reserved(uintptr_t start, uintptr_t end);
/* A part of those is taken from it, with what was there. */
void manage_closed(uintptr_t start, uintptr_t end);
/* A part of those may be used now; nothing is done for other memory. */
void manage_opened(uintptr_t start, uintptr_t end);
bool manage_has(uintptr_t addr);

/*
 * Bring all home, and let nothing leave any more.  For handlers of fatal
 * signals.  -errno: something may still be away.
 */
int manage_rescue(unsigned patience_ms);
/*
 * Have memory stay in RAM, or no more.  -ENOENT: it is not managed, or not yet.
 * Pages that were never touched are not there all the same.
 */
int manage_pin(uintptr_t start, uintptr_t end, bool pinned);
/* What is managed of [start, end): at most @max parts. */
size_t manage_parts(uintptr_t start, uintptr_t end, struct range *ret,
		    size_t max);
/* It is the program's alone from now on, with its data. */
void manage_exclude(uintptr_t start, uintptr_t end);
/* The first part of [start, end) that is managed.  In any thread, any time. */
bool manage_part(uintptr_t start, uintptr_t end, struct range *ret);
/* The same of mappings only, perhaps beyond @end. */
bool manage_next(uintptr_t start, uintptr_t end, struct range *ret);
/* uhmm_fault_in(), uhmm_pin() and uhmm_unpin(); -ENODEV without a context */
ssize_t manage_fault_in(const void *p, size_t len, bool write);
int manage_hold(const void *p, size_t len);
int manage_release(const void *p, size_t len);

struct manage_state {
	bool started;
	int error;	  /* why the context could not be opened */
	size_t peak;	  /* most bytes counted before the start */
	size_t unmanaged; /* bytes that could not be registered */
	int why;	  /* the last reason */
	struct uhmm *u;
};

void manage_state(struct manage_state *ret);
/* The @n-th device, or NULL. */
struct uhmm_device *manage_device(size_t n);

/*
 * The program is about to forbid the system call @call: what is away comes
 * home, and nothing is managed any more.  @quiet: nor may signals be blocked
 * then.
 */
void manage_stop(const char *call, bool quiet);
/*
 * End libuhmm's threads, if the program has no other than this one.  False:
 * there are none, or the program has.
 */
bool manage_pause(void);
/* Go on as before. */
void manage_resume(void);
/* The program makes a thread. */
void manage_threaded(void);

/* In the child of a fork(2), before and after jemalloc's handler: fork.c. */
void manage_forked(void);
void manage_forked_late(void);

/* ---- uses.c ------------------------------------------------------------- */

/* What manage_fault_in() and its like use; NULL: nothing. */
void uses_set(struct uhmm *u);
/* In a child. */
void uses_reset(void);
/* After uses_set(NULL): none of them runs.  False: one does not end. */
bool uses_settle(void);

/* ---- devices.c ---------------------------------------------------------- */

int devices_open(struct uhmm *u);
void devices_forget(void);

/* ---- arena.c: jemalloc's hooks ------------------------------------------ */

void arena_init(void);
/* jemalloc gives nothing back from now on: that is a system call. */
void arena_keep(void);
/* Give this thread an arena in managed memory. */
void arena_assign(void);

/* ---- heap.c ------------------------------------------------------------- */

/* Once the settings are read. */
void heap_start(void);
/* Find jemalloc; without it the bootstrap buffer serves. */
void heap_init(void);
/* A function of jemalloc's, or NULL. */
void *heap_find(const char *name);
/* What allocates inside us is to do without jemalloc. */
void heap_lock(bool locked);

/* ---- symbols.c: what the C library's table says ------------------------- */

/* When all that ours call is found. */
void symbols_init(void);

/* ---- map.c -------------------------------------------------------------- */

/* Which code is ours, jemalloc's or libuhmm's: its mappings are its own. */
void map_init(void);
/* Of libc and the dynamic linker. */
extern struct range map_libc[2];

static inline bool map_is_libc(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	return at - map_libc[0].start < map_libc[0].end - map_libc[0].start ||
	       at - map_libc[1].start < map_libc[1].end - map_libc[1].start;
}

/* Is that code ours, jemalloc's or libuhmm's? */
bool map_is_own(const void *caller);
/* Does a call that ends at @caller concern the program's memory? */
bool map_is_watched(const void *caller);
/* Is that code libuhmm's? */
bool map_is_library(const void *caller);

/* ---- maps.c ------------------------------------------------------------ */

/* @anon: private memory of no file; @frames: of libuhmm, in a detailed walk */
struct vma {
	uintptr_t start, end;
	int prot;
	bool anon, frames;
};

typedef void maps_fn(const struct vma *vma, void *arg);

int maps_walk(bool detailed, maps_fn *fn, void *arg);
/*
 * Have the CPU touch each page that is mapped and may be touched.  Other
 * threads may use them: what is written is what is there.
 */
void maps_touch(struct range range);

/* ---- remap.c ------------------------------------------------------------ */

/* mremap(2), where the kernel may have several mappings for one. */
void *remap(void *old, size_t old_len, size_t len, int flags, void *target);

/* ---- present.c ---------------------------------------------------------- */

#define MAX_PRESENT 64

struct present {
	struct range parts[MAX_PRESENT];
	size_t nr;
};

bool present_wanted(void);
/* Nothing is done unless it is wanted. */
void present_add(struct present *p, const void *addr, size_t len);
void present_always(struct present *p, const void *addr, size_t len);
void present_end(const struct present *p);

/* ---- nofork.c: what is kept from children -------------------------------- */

/* madvise(2) with MADV_DONTFORK or MADV_DOFORK. */
int nofork_advise(uintptr_t start, uintptr_t end, int advice);
/* Something else is there, or will be. */
void nofork_forget(uintptr_t start, uintptr_t end);
/* mremap(2) */
void *nofork_remap(void *old, size_t old_len, size_t len, int flags,
		   void *target);
/*
 * Before a fork, when libuhmm has made all be copied; end() is for both
 * processes.  libuhmm's blocking of signals lies in between.
 */
void nofork_prepare(void);
void nofork_end(void);
/* In the child: what was kept from it is @gone. */
void nofork_child(void (*gone)(uintptr_t start, uintptr_t end));

/* ---- streams.c: stdio in a fork ----------------------------------------- */

void streams_init(void);
/* Before jemalloc's locks, around the fork. */
void streams_lock(void);
void streams_unlock(void);
/* In the child, instead of streams_unlock(). */
void streams_forked(void);

/* ---- filter.c ----------------------------------------------------------- */

/* Before the program's prctl(2), and syscall(2). */
void filter_prctl(unsigned long op, unsigned long mode, unsigned long prog);
void filter_syscall(long number, const long *a);

/* ---- fork.c ------------------------------------------------------------ */

int fork_init(void);
/* After jemalloc has registered its handlers. */
void fork_late_init(void);

/* ---- calls/: system calls where the kernel does not fault --- */

/* @u serves faults now; NULL: nobody does. */
void calls_started(struct uhmm *u);
/* How often it mattered.  False: the kernel's faults are served. */
bool calls_count(uint64_t *ret_again, uint64_t *ret_held);

/* ---- calls/held.c: memory that calls have pinned ------------------------ */

/* A child has none. */
void calls_forked(void);
/* This thread ends. */
void calls_ended(void);

/* ---- signals.c: handlers ------------------------------------------------ */

/* Before the context is opened. */
void signals_arm(void);
/* For good. */
void signals_default(int sig);

/* ---- dump.c ------------------------------------------------------------- */

/* Once more to this thread, with what is known about it. */
void signals_send(int sig, const siginfo_t *info);
/* The default of a signal that dumps core. */
void on_fatal(int sig, siginfo_t *info, void *context);

/* ---- masks.c: what the program thinks it blocks ------------------------- */

void masks_init(void);
/* The signals of @set that are not to be blocked; open() takes them out. */
uint64_t masks_of(const sigset_t *set);
uint64_t masks_open(sigset_t *set);
void masks_add(sigset_t *set, uint64_t bits);
/* What a call that waits with @mask is given instead: it, or @own. */
const sigset_t *masks_given(const sigset_t *mask, sigset_t *own);
/* All but those. */
void masks_block_all(sigset_t *old);
void masks_restore(const sigset_t *old);
/* Between the two, neither a handler nor a cancellation ends what we do. */
struct quiet {
	sigset_t mask;
	int cancel;
};
void quiet_begin(struct quiet *old);
void quiet_end(const struct quiet *old);
void masks_enter(const void *context, const struct sigaction *act);
/*
 * It was sent, but not to this thread, or this thread thinks it blocked: now it
 * will be, and comes again.
 */
bool masks_hold(int sig, const siginfo_t *info, void *context);

/* ---- stacks.c: for handlers --------------------------------------------- */

void stacks_init(void);
/* This thread begins, on a stack of @size bytes that has @top. */
void stacks_enter(const void *top, size_t size);
/* The size of the stack of a thread with @attr, perhaps NULL. */
size_t stacks_size(const pthread_attr_t *attr);
/*
 * What was at @addr when the stack ended there: was it left, now that the same
 * thread's stack ends at @now?
 */
enum stacks_left {
	STACKS_LIVE,
	STACKS_LEFT,
	STACKS_UNKNOWN
};
enum stacks_left stacks_left(uintptr_t addr, uintptr_t now);
/* The other threads are not here. */
void stacks_forked(void);
/* A thread of the program begins on this one. */
void stacks_hold(const pthread_attr_t *attr);
/* Those that the program has: before they are managed, and when they can be. */
void stacks_touch(void);
void stacks_pin(void (*pin)(uintptr_t start, uintptr_t end));

/* ---- calls/aio.c: transfers that go on when their call has returned ------ */

/* A child has none. */
void aio_forked(void);

/* ---- robust.c: mutexes that the kernel touches by itself ---------------- */

/* With manage.c's lock held, when there is a context. */
void robust_pin(int (*pin)(uintptr_t start, uintptr_t end));
/* In a child nothing is pinned. */
void robust_forked(void);

/* ---- remote.c ----------------------------------------------------------- */

/* Is it an option of a socket that memory which moves cannot have? */
bool remote_refuses(int level, int name);
/* Before the program's ioctl(2). */
void remote_ioctl(unsigned long request, const void *arg, const void *caller);

/* ---- summary.c ---------------------------------------------------------- */

void summary_init(void);
/* Once, in the process that "uhmm run" became. */
void summary_write(void);
/* A sentence to standard error, in spite of what the program did to fd 2. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

#endif
