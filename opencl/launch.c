// SPDX-License-Identifier: MIT
/*
 * launch.c - one launch of a kernel, on the worker.
 */
#include <errno.h>
#include <string.h>

#include "run.h"

struct launch {
	struct run *r;
	const struct box *box;
	cl_int err;
	uint64_t missed;
};

/* ---- Before ------------------------------------------------------------ */

static cl_int set_buffers(struct run *r)
{
	struct uhmm_cl *cl = r->cl;
	const cl_mem mems[OUR_ARGS] = {
		cl->pool->mem, cl->table.mem.mem, cl->table.used.mem,
		cl->ring.mem,  cl->done.mem,
	};
	cl_int err = CL_SUCCESS;

	for (cl_uint i = 0; i < OUR_ARGS && !err; i++)
		err = clSetKernelArg(r->kernel->kernel, i, sizeof(mems[i]),
				     &mems[i]);
	return err;
}

static cl_int set_arg(struct run *r, cl_uint i)
{
	const struct uhmm_cl_arg *a = &r->args[i];
	const cl_ulong address = (uintptr_t)a->value;
	cl_kernel k = r->kernel->kernel;

	if (a->kind == UHMM_CL_POINTER)
		return clSetKernelArg(k, OUR_ARGS + i, sizeof(address),
				      &address);
	if (a->kind == UHMM_CL_LOCAL)
		return clSetKernelArg(k, OUR_ARGS + i, a->len, NULL);
	return clSetKernelArg(k, OUR_ARGS + i, a->len, r->values[i]);
}

/*
 * A kernel object keeps its arguments, so a missing one would have the value of
 * an earlier run.
 */
static cl_int check_number(struct run *r)
{
	cl_uint nr = 0;
	cl_int err = clGetKernelInfo(r->kernel->kernel, CL_KERNEL_NUM_ARGS,
				     sizeof(nr), &nr, NULL);

	if (!err && nr != OUR_ARGS + r->launch.nr_args)
		err = CL_INVALID_KERNEL_ARGS;
	return err;
}

/* Clear the bytes of all work-items: none is done. */
static cl_int reset_done(struct run *r)
{
	struct uhmm_cl *cl = r->cl;
	cl_int err = CL_SUCCESS;

	if (cl->done.len < r->total) {
		shared_close(&cl->done);
		err = shared_open(&cl->done, cl->pool, r->total);
	}
	if (err)
		return err;
	memset(cl->done.host, 0, r->total);
	return shared_push(&cl->done, cl->queue, 0, r->total);
}

static void fill_head(struct run *r)
{
	uint64_t *head = (uint64_t *)r->cl->ring.host;
	const uint64_t *n = r->launch.global;

	head[RING_COUNT] = 0;
	head[RING_ROOM] = RING_SIZE;
	head[RING_X] = n[0];
	head[RING_XY] = n[0] * n[1];
	head[RING_NPAGES] = r->cl->pool->npages;
}

static void prepare_on_worker(void *arg)
{
	struct launch *l = arg;
	struct run *r = l->r;

	l->err = check_number(r);
	if (!l->err)
		l->err = reset_done(r);
	if (!l->err)
		l->err = set_buffers(r);
	for (cl_uint i = 0; i < r->launch.nr_args && !l->err; i++)
		l->err = set_arg(r, i);
	if (!l->err)
		l->err = clFinish(r->cl->queue);
}

/* Tell the core of a lost device: the core gives up its pages. */
static int failed(struct uhmm_cl *cl, cl_int err, const char *what)
{
	int ret = say_cl(cl, err, what);

	if (ret == -ENODEV)
		(void)uhmm_device_lost(cl->dev);
	return ret;
}

int launch_prepare(struct run *r)
{
	struct launch l = { .r = r };

	worker_do(&r->cl->worker, prepare_on_worker, &l);
	return l.err ? failed(r->cl, l.err, "the kernel's arguments") : 0;
}

/* ---- The launch -------------------------------------------------------- */

static cl_int enqueue_kernel(struct run *r, const struct box *b)
{
	size_t offset[3], global[3], local[3];
	bool has_local = r->launch.local[0];

	for (unsigned d = 0; d < 3; d++) {
		offset[d] = b->from[d] * r->unit[d];
		global[d] = b->n[d] * r->unit[d];
		local[d] = r->unit[d];
	}
	return clEnqueueNDRangeKernel(r->cl->queue, r->kernel->kernel,
				      r->launch.dims, offset, global,
				      has_local ? local : NULL, 0, NULL, NULL);
}

static cl_int run_kernel(struct run *r, const struct box *b)
{
	struct uhmm_cl *cl = r->cl;
	cl_int finished, err;

	err = table_begin(&cl->table, cl->queue);
	fill_head(r);
	if (!err)
		err = shared_push(&cl->ring, cl->queue, 0,
				  RING_HEAD * sizeof(uint64_t));
	if (!err)
		err = enqueue_kernel(r, b);
	if (!err)
		err = shared_pull(&cl->ring, cl->queue, 0,
				  RING_HEAD * sizeof(uint64_t));
	finished = clFinish(cl->queue);
	table_end(&cl->table);
	return err ? err : finished;
}

/*
 * Get the missed pages from the ring, and the bytes of the work-items that are
 * done.
 */
static cl_int pull(struct run *r, uint64_t missed)
{
	struct uhmm_cl *cl = r->cl;
	cl_int err;

	err = shared_pull(&cl->ring, cl->queue, RING_HEAD * sizeof(uint64_t),
			  missed * sizeof(uint64_t));
	if (!err)
		err = shared_pull(&cl->done, cl->queue, 0, r->total);
	if (!err)
		err = clFinish(cl->queue);
	return err;
}

static void launch_on_worker(void *arg)
{
	struct launch *l = arg;
	struct guard *g = l->r->stats.rounds ? NULL : guard_begin();

	l->err = run_kernel(l->r, l->box);
	guard_end(g);
	if (l->err)
		return;
	l->missed = (uint32_t)((uint64_t *)l->r->cl->ring.host)[RING_COUNT];
	if (l->missed > RING_SIZE)
		l->missed = RING_SIZE;
	if (l->missed)
		l->err = pull(l->r, l->missed);
}

int launch_box(struct run *r, const struct box *b, uint64_t *ret_missed)
{
	struct launch l = { .r = r, .box = b };

	worker_do(&r->cl->worker, launch_on_worker, &l);
	r->stats.rounds++;
	if (l.err)
		return failed(r->cl, l.err, "the kernel cannot be launched");
	*ret_missed = l.missed;
	return 0;
}
