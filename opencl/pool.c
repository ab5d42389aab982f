// SPDX-License-Identifier: MIT
/*
 * pool.c - a device's memory: one buffer, of which page n is device page n.
 *
 * A device that is a CPU may use host memory in place; then the CPU copies
 * pages without OpenCL.  A test decides: host and device must each see at once
 * the bytes that the other one writes.  On all other devices a queue copies.
 *
 * All devices of a platform share a context, so that one can copy to another.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cl.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* ---- Contexts ---------------------------------------------------------- */

static struct {
	pthread_mutex_t lock; /* for opening and closing */
	struct {
		cl_platform_id platform;
		cl_context context;
		unsigned users;
	} slot[MAX_CLS];
} contexts = { .lock = PTHREAD_MUTEX_INITIALIZER };

static cl_int make_context(const struct found *f, cl_context *ret)
{
	cl_context_properties props[] = { CL_CONTEXT_PLATFORM,
					  (cl_context_properties)f->platform,
					  0 };
	cl_int err;

	*ret = clCreateContext(props, f->nr_all, f->all, NULL, NULL, &err);
	return err;
}

/* The slot of the platform, or else a free one; MAX_CLS: none.  Locked. */
static unsigned slot_for(cl_platform_id platform)
{
	unsigned free = MAX_CLS;

	for (unsigned i = MAX_CLS; i-- > 0;) {
		if (!contexts.slot[i].users)
			free = i;
		else if (contexts.slot[i].platform == platform)
			return i;
	}
	return free;
}

static cl_int get_context(const struct found *f, cl_context *ret)
{
	cl_int err = CL_OUT_OF_HOST_MEMORY;
	unsigned i;

	pthread_mutex_lock(&contexts.lock);
	i = slot_for(f->platform);
	if (i < MAX_CLS && contexts.slot[i].users)
		err = CL_SUCCESS;
	else if (i < MAX_CLS)
		err = make_context(f, &contexts.slot[i].context);
	if (err == CL_SUCCESS) {
		contexts.slot[i].platform = f->platform;
		contexts.slot[i].users++;
		*ret = contexts.slot[i].context;
	}
	pthread_mutex_unlock(&contexts.lock);
	return err;
}

static void put_context(cl_context context)
{
	pthread_mutex_lock(&contexts.lock);
	for (unsigned i = 0; i < MAX_CLS; i++) {
		if (!contexts.slot[i].users ||
		    contexts.slot[i].context != context)
			continue;
		if (!--contexts.slot[i].users)
			clReleaseContext(context);
	}
	pthread_mutex_unlock(&contexts.lock);
}

/* ---- Memory of ours ---------------------------------------------------- */

static void unmap_pages(struct pool *pool)
{
	uhmm_provider_free(pool->mapping, pool->mapping_len);
	pool->mapping = NULL;
	pool->pages = NULL;
}

static int map_pages(struct pool *pool)
{
	size_t len = pool->npages * PAGE;

	pool->mapping_len = len + HUGE_PAGE;
	pool->mapping = uhmm_provider_alloc(pool->mapping_len);
	if (!pool->mapping)
		return -ENOMEM;
	pool->pages =
		(unsigned char *)(((uintptr_t)pool->mapping + HUGE_PAGE - 1) &
				  ~(uintptr_t)(HUGE_PAGE - 1));
	(void)madvise(pool->pages, len, MADV_HUGEPAGE);
	return 0;
}

/* Do host and device each see at once a write of the other to @dpfn? */
static bool is_coherent(struct pool *pool, uint64_t dpfn)
{
	const unsigned char pattern = 0xa5;
	unsigned char back[64];
	size_t at = dpfn * PAGE;
	bool seen;

	if (clEnqueueFillBuffer(pool->queue, pool->mem, &pattern, 1, at, PAGE,
				0, NULL, NULL) ||
	    clFinish(pool->queue))
		return false;
	seen = pool->pages[at] == pattern &&
	       pool->pages[at + PAGE - 1] == pattern;
	memset(pool->pages + at, 0, PAGE);
	return seen &&
	       !clEnqueueReadBuffer(pool->queue, pool->mem, CL_TRUE, at,
				    sizeof(back), back, 0, NULL, NULL) &&
	       !back[0] && !back[sizeof(back) - 1];
}

static cl_int make_direct(struct pool *pool)
{
	cl_int err;

	if (map_pages(pool))
		return CL_OUT_OF_HOST_MEMORY;
	pool->mem = clCreateBuffer(pool->context,
				   CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR,
				   pool->npages * PAGE, pool->pages, &err);
	if (err) {
		unmap_pages(pool);
		return err;
	}
	pool->is_direct = is_coherent(pool, 0) &&
			  is_coherent(pool, pool->npages - 1);
	if (!pool->is_direct) {
		clReleaseMemObject(pool->mem);
		pool->mem = NULL;
		unmap_pages(pool);
	}
	return CL_SUCCESS;
}

/* ---- Memory of the device ---------------------------------------------- */

/* A driver may promise memory that the device lacks: write to both ends. */
static cl_int make_buffer(struct pool *pool)
{
	size_t len = pool->npages * PAGE;
	const cl_uint zero = 0;
	cl_int err;

	pool->mem = clCreateBuffer(pool->context, CL_MEM_READ_WRITE, len, NULL,
				   &err);
	if (!err)
		err = clEnqueueFillBuffer(pool->queue, pool->mem, &zero,
					  sizeof(zero), 0, PAGE, 0, NULL, NULL);
	if (!err)
		err = clEnqueueFillBuffer(pool->queue, pool->mem, &zero,
					  sizeof(zero), len - PAGE, PAGE, 0,
					  NULL, NULL);
	if (!err)
		err = clFinish(pool->queue);
	return err;
}

static int make_pool(struct pool *pool, enum pool_copy want)
{
	cl_int err;

	pool->queue = clCreateCommandQueue(pool->context, pool->found.device, 0,
					   &err);
	if (!err && want != COPY_QUEUE && pool->found.is_cpu)
		err = make_direct(pool);
	if (!err && !pool->mem && want == COPY_DIRECT)
		return -EOPNOTSUPP;
	if (!err && !pool->mem)
		err = make_buffer(pool);
	return cl_errno(err);
}

/* ---- On the workers ---------------------------------------------------- */

struct opening {
	struct pool *pool;
	unsigned platform, device;
	enum pool_copy want;
	int err;
};

static void find_on_root(void *arg)
{
	struct opening *o = arg;
	struct pool *pool = o->pool;
	struct guard *g = guard_begin();

	o->err = find_device(o->platform, o->device, &pool->found);
	if (!o->err && pool->npages > pool->found.bytes / PAGE)
		o->err = -ENOMEM;
	if (!o->err)
		o->err = cl_errno(get_context(&pool->found, &pool->context));
	guard_end(g);
}

static void put_on_root(void *arg)
{
	struct pool *pool = arg;

	if (pool->context)
		put_context(pool->context);
}

static void close_on_worker(void *arg)
{
	struct pool *pool = arg;

	if (pool->mem)
		clReleaseMemObject(pool->mem);
	if (pool->queue)
		clReleaseCommandQueue(pool->queue);
}

static void open_on_worker(void *arg)
{
	struct opening *o = arg;
	struct guard *g = guard_begin();

	o->err = make_pool(o->pool, o->want);
	if (o->err)
		close_on_worker(o->pool);
	guard_end(g);
}

static int open_pool(struct opening *o)
{
	int err = root_do(find_on_root, o);

	if (!err)
		err = o->err;
	if (!err)
		err = worker_start(&o->pool->worker, "uhmm-cl-copy");
	if (err)
		return err;
	worker_do(&o->pool->worker, open_on_worker, o);
	if (o->err)
		worker_stop(&o->pool->worker);
	return o->err;
}

static void free_pool(struct pool *pool)
{
	(void)root_do(put_on_root, pool);
	unmap_pages(pool);
	uhmm_provider_free(pool, sizeof(*pool));
}

int pool_open(unsigned platform, unsigned device, enum pool_copy want,
	      uint64_t npages, struct pool **ret_pool)
{
	struct opening o = {
		.pool = uhmm_provider_alloc(sizeof(*o.pool)),
		.platform = platform,
		.device = device,
		.want = want,
	};
	int err;

	if (!o.pool)
		return -ENOMEM;
	o.pool->npages = npages;
	o.pool->pid = getpid();
	o.pool->users = 1;
	err = open_pool(&o);
	if (err == -ENODEV)
		uhmm_provider_fail(err,
				   "platform %u has no usable device %u; "
				   "\"uhmm providers opencl\" lists them",
				   platform, device);
	if (err)
		free_pool(o.pool);
	else
		*ret_pool = o.pool;
	return err;
}

void pool_hold(struct pool *pool)
{
	atomic_fetch_add(&pool->users, 1);
}

void pool_put(struct pool *pool)
{
	if (atomic_fetch_sub(&pool->users, 1) > 1)
		return;
	if (pool->pid == getpid()) {
		worker_do(&pool->worker, close_on_worker, pool);
		worker_stop(&pool->worker);
	}
	free_pool(pool);
}
