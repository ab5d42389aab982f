/* SPDX-License-Identifier: MIT */
/*
 * run.h - how kernels run: the device's page table, launches and their faults.
 *
 * DOC: Replayed faults
 *
 * A kernel finds pages in the table (table.c), and notes pages that are missing
 * there in a ring.  When the launch has ended the host brings the missed pages
 * (service.c) and launches the kernel again.  Work-items that have reached
 * their end return at once.
 *
 * If the pages do not fit, pages that were not used of late go home (evict.c).
 * If that does not help fewer work-items are launched at a time (run.c).  So a
 * device that holds the pages of one work-group is enough.
 *
 * Locks: cl.run, held by one run at a time; then those of uhmm; then
 * table.lock, which is held for moments only, with all signals blocked.
 */
#ifndef UHMM_OPENCL_RUN_H
#define UHMM_OPENCL_RUN_H

#include <signal.h>

#include <uhmm/mirror.h>
#include <uhmm/opencl.h>

#include "cl.h"

/* ---- shared.c: buffers that host and device use ---- */

/* @host: the host's view: the buffer itself, if @is_direct, or a copy */
struct shared {
	cl_mem mem;
	unsigned char *host;
	size_t len;
	bool is_direct;
};

/* All of these run on cl's worker. */
cl_int shared_open(struct shared *s, const struct pool *pool, size_t len);
void shared_close(struct shared *s);
/* Both are enqueued in order; pulled data are valid after clFinish(). */
cl_int shared_push(const struct shared *s, cl_command_queue q, size_t at,
		   size_t len);
cl_int shared_pull(const struct shared *s, cl_command_queue q, size_t at,
		   size_t len);

/* ---- table.c ---- */

/* These values must match uhmm.cl.h. */
#define LEAF_BITS   15
#define DIR_BITS    20
#define LEAF_PAGES  (UINT64_C(1) << LEAF_BITS)
#define DIR_ENTRIES (UINT64_C(1) << DIR_BITS)
#define ENTRY_VALID 1u
#define ENTRY_WRITE 2u
#define ENTRY_SHIFT 2

/*
 * @dir: index in the directory + 1; 0: the leaf is free
 * @valid: number of valid entries
 * @is_dirty: changed since the last push; @is_pushed: for the launcher
 */
struct leaf {
	uint32_t dir;
	uint32_t valid;
	bool is_dirty, is_pushed;
};

/* How often a page was found used; of one age a lower value stays longer. */
enum uses {
	USED_OFTEN,
	NOT_YET_USED,
	USED_TWICE,
	USED_ONCE,
	NR_USES,
};

/*
 * @stamp: the epoch in which each page was last used; @uses: enum uses
 * @wanted: the service that has it on its list
 * @used: of device pages, accessed and written
 * @started, @ended: launches; @ended is a futex
 */
struct table {
	pthread_mutex_t lock;
	unsigned device; /* as of a uhmm_pfn_t */
	uint64_t npages; /* of the device */
	struct shared mem, used;
	uint32_t *dir;	   /* the current directory; @mem has the pushed one */
	uint32_t *entries; /* after the directory, leaf by leaf */
	uint32_t *stamp, *wanted;
	uint8_t *uses;
	struct leaf *leaves;
	uint32_t nr_leaves;
	uint64_t valid;
	uint32_t epoch;
	bool dir_is_dirty;
	_Atomic uint32_t started, ended;
};

extern const struct uhmm_mirror_ops table_ops;

/* Runs on the worker. */
cl_int table_open(struct table *t, const struct pool *pool, unsigned device);
void table_close(struct table *t);

sigset_t table_lock(struct table *t);
void table_unlock(struct table *t, sigset_t old);
/* The entry of @page; NULL: its address has no leaf.  Locked. */
uint32_t *table_find(struct table *t, uint64_t page, uint32_t *ret_index);
/* The pages of pushed entries stay from begin to end.  Runs on the worker. */
cl_int table_begin(struct table *t, cl_command_queue q);
void table_end(struct table *t);

/* ---- api.c ---- */

#define MESSAGE_LEN ((size_t)16 << 10)
#define RING_SIZE   ((uint64_t)1 << 16)
#define MAX_ARGS    32
#define MAX_VALUE   128
#define OUR_ARGS    5

/* These indices must match uhmm.cl.h. */
enum {
	RING_COUNT,
	RING_ROOM,
	RING_X,
	RING_XY,
	RING_NPAGES,
	RING_HEAD = 8,
};

/* A run of missed pages. */
struct missed {
	uint64_t page;
	uint32_t npages;
	bool write;
};

/*
 * @done: a byte a work-item
 * @missed: room for RING_SIZE
 * @why: room for a batch
 */
struct uhmm_cl {
	struct uhmm *u;
	struct uhmm_device *dev;
	struct pool *pool;
	bool owns_device;
	pid_t pid;
	struct uhmm_mirror *mirror;
	struct worker worker;
	cl_command_queue queue;
	struct table table;
	struct shared ring, done;
	pthread_mutex_t run;
	struct uhmm_cl_kernel *kernels;
	struct missed *missed;
	uint8_t *why;
	uint32_t service;
	char *message;
};

struct uhmm_cl_kernel {
	struct uhmm_cl *cl;
	struct uhmm_cl_kernel *next;
	cl_program program;
	cl_kernel kernel;
};

/* Store @fmt for uhmm_cl_message().  Return: @err. */
__attribute__((format(printf, 3, 4))) int say(struct uhmm_cl *cl, int err,
					      const char *fmt, ...);
/* As say(), for an error of OpenCL. */
int say_cl(struct uhmm_cl *cl, cl_int err, const char *what);

/* ---- launch.c ---- */

/* Work-items [@from, @from + @n) in units of a group. */
struct box {
	uint64_t from[3], n[3];
};

/*
 * A call of uhmm_cl_run().
 * @unit: work-items of a group, in each dimension
 * @total: work-items; @finished: of these are done
 * @values: of arguments
 * @ranges: of the caller, copied
 */
struct run {
	struct uhmm_cl *cl;
	struct uhmm_cl_kernel *kernel;
	struct uhmm_cl_launch launch;
	uint64_t unit[3];
	uint64_t total, finished;
	unsigned char values[MAX_ARGS][MAX_VALUE];
	struct uhmm_cl_arg args[MAX_ARGS];
	struct uhmm_cl_stats stats;
};

/* The caller's arrays: the first entry says how long each entry is. */
static inline const struct uhmm_cl_arg *run_arg(const struct run *r, uint64_t i)
{
	const struct uhmm_cl_arg *first = r->launch.args;

	return (const void *)((const char *)first + i * first->size);
}

static inline const struct uhmm_cl_range *run_range(const struct run *r,
						    uint64_t i)
{
	const struct uhmm_cl_range *first = r->launch.ranges;

	return (const void *)((const char *)first + i * first->size);
}

/* Set arguments and buffers.  Return: 0, or -errno and a message. */
int launch_prepare(struct run *r);
/* Launch once; then the ring has the missed pages.  *@ret_missed: entries */
int launch_box(struct run *r, const struct box *b, uint64_t *ret_missed);

/* ---- ahead.c, service.c, evict.c ---- */

/* Bring arrays to the device before the first launch. */
int bring_ahead(struct run *r);

/*
 * Bring pages to the device and into the table.  -ENOSPC: not all fit.
 * -EAGAIN: some did not come, but may the next time.  Other errors have a
 * message.
 */
int bring(struct uhmm_cl *cl, uint64_t page, uint64_t npages, bool write);
/* Bring pages of the ring, up to @limit.  *@ret_brought: pages tried */
int service(struct run *r, uint64_t nr, uint64_t limit, uint64_t *ret_brought);
/*
 * Make room for @want pages; pages of this epoch stay.  Return: pages sent
 * home.
 */
uint64_t evict(struct uhmm_cl *cl, uint64_t want, uint64_t *evicted);
uint64_t device_room(struct uhmm_cl *cl);

#endif
