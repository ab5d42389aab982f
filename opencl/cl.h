/* SPDX-License-Identifier: MIT */
/*
 * cl.h - what the files of libuhmm-opencl share.
 *
 * DOC: The threads that call OpenCL
 *
 * Implementations of OpenCL call malloc, take locks and start threads.  While
 * an implementation copies a page, a thread of the application may wait for
 * that page with any lock held, and any memory of the application may be away.
 * So every call of OpenCL is made on a worker of ours (worker.c), a thread that
 * begins with the device: its allocations come from the thread's own arena, in
 * which the application has nothing, or under "uhmm run" from memory that is
 * not managed.  No other thread allocates or locks there.
 *
 * A device has one worker for its memory; a struct uhmm_cl has another one for
 * its kernels, so that copies do not wait for kernels.
 *
 *	guard.c    signal handlers that implementations install
 *	worker.c   threads that make the calls
 *	find.c     platforms and devices
 *	error.c    OpenCL's errors as ours
 *	pool.c     a device's memory
 *	copy.c     a provider's callbacks
 *	provider.c options, and the provider
 *	shared.c   buffers that host and device both use
 *	table.c    the device's page table, a mirror
 *	api.c      struct uhmm_cl and its kernels
 *	launch.c   one launch
 *	ahead.c    pages that are brought before any launch
 *	service.c  faults of a launch
 *	evict.c    room for them
 *	run.c      launches until all work-items are done
 */
#ifndef UHMM_OPENCL_CL_H
#define UHMM_OPENCL_CL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <uhmm/provider.h>

#define PAGE	   uhmm_page_size()
#define PAGE_SHIFT ((unsigned)__builtin_ctzl(PAGE))
#define MAX_CLS	   16 /* platforms, and devices of one */

/* ---- error.c ---- */

/* 0, or -errno. */
int cl_errno(cl_int err);
const char *cl_error_name(cl_int err);

/* ---- guard.c ---- */

struct guard;
/*
 * Around calls that may load a library: guard_end() restores the signal
 * dispositions of guard_begin().  NULL: no memory; nothing is restored.
 */
struct guard *guard_begin(void);
void guard_end(struct guard *g);

/* ---- worker.c ---- */

typedef void worker_fn(void *arg);

/* @state: futex */
struct worker {
	pthread_t thread;
	_Atomic uint32_t state;
	worker_fn *fn;
	void *arg;
};

int worker_start(struct worker *w, const char *name);
/*
 * Have the worker call @fn, and wait.  One caller at a time.  A signal handler
 * may call this: it neither allocates nor takes a lock.
 */
void worker_do(struct worker *w, worker_fn *fn, void *arg);
void worker_stop(struct worker *w);

/*
 * As worker_do(), on a thread that never ends, for objects that outlive any
 * device: that thread's arena is never given to a thread of the application.
 * -ENODEV in a child of fork(2).
 */
int root_do(worker_fn *fn, void *arg);

void word_wait(_Atomic uint32_t *word, uint32_t is);
void word_wake(_Atomic uint32_t *word);

/* ---- find.c: on the root worker ---- */

struct found {
	cl_platform_id platform;
	cl_device_id device, all[MAX_CLS];
	cl_uint nr_all; /* of the platform */
	cl_ulong bytes, max_bytes;
	cl_bool is_cpu;
	char name[128];
};

/* -ENODEV: there is no such device. */
int find_device(unsigned platform, unsigned device, struct found *ret);
unsigned find_platforms(cl_platform_id *ret);

/* ---- pool.c ---- */

enum pool_copy {
	COPY_AUTO,
	COPY_DIRECT, /* the CPU copies: the device uses memory of ours */
	COPY_QUEUE,
};

/*
 * A device's memory.
 * @context: one for all devices of a platform
 * @pages: what the device uses, if @is_direct; else NULL
 * @users: the provider, and struct uhmm_cl
 */
struct pool {
	struct found found;
	cl_context context;
	cl_command_queue queue;
	cl_mem mem;
	uint64_t npages;
	bool is_direct;
	unsigned char *pages;
	void *mapping;
	size_t mapping_len;
	struct worker worker;
	pid_t pid; /* a child of fork(2) has no worker */
	_Atomic uint32_t users;
};

/* Makes the pool, and starts its worker.  @want: enum pool_copy */
int pool_open(unsigned platform, unsigned device, enum pool_copy want,
	      uint64_t npages, struct pool **ret_pool);
/*
 * Take a reference: the core releases a lost device at once, but struct uhmm_cl
 * may use the pool longer.
 */
void pool_hold(struct pool *pool);
void pool_put(struct pool *pool);

/* ---- copy.c ---- */

extern const struct uhmm_device_ops copy_direct_ops, copy_queue_ops;

/* The pool behind a device; NULL: another provider's device. */
struct pool *pool_of(struct uhmm_device *dev);

/* ---- provider.c ---- */

extern const struct uhmm_provider opencl_provider;

#endif
