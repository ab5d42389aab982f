// SPDX-License-Identifier: MIT
/*
 * copy.c - a provider's callbacks, in two kinds: for memory that the CPU can
 * reach, and by a queue.
 *
 * By the queue all runs of a call are enqueued without blocking, and then
 * waited for once: a blocking call costs ten times as much for a page.  The
 * core makes one such call to a device at a time.
 */
#include <errno.h>
#include <string.h>

#include "cl.h"

/* ---- By the CPU -------------------------------------------------------- */

static void *page_at(const struct pool *pool, uint64_t dpfn)
{
	return pool->pages + dpfn * PAGE;
}

static int direct_in(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--)
		uhmm_copy(page_at(priv, seg->dpfn), seg->ram,
			  seg->npages * PAGE);
	return 0;
}

static int direct_out(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--)
		uhmm_copy(seg->ram, page_at(priv, seg->dpfn),
			  seg->npages * PAGE);
	return 0;
}

static int direct_peer(void *priv, const struct uhmm_device_desc *src,
		       void *src_priv, const struct uhmm_peer_segment *seg,
		       size_t nr)
{
	if (src->ops != &copy_direct_ops)
		return -EOPNOTSUPP;
	for (; nr; seg++, nr--)
		uhmm_copy(page_at(priv, seg->dst), page_at(src_priv, seg->src),
			  seg->npages * PAGE);
	return 0;
}

static int direct_clear(void *priv, uint64_t dpfn, size_t npages)
{
	memset(page_at(priv, dpfn), 0, npages * PAGE);
	return 0;
}

static const void *direct_direct(void *priv, uint64_t dpfn, size_t npages)
{
	return page_at(priv, dpfn);
}

/* ---- By the queue ------------------------------------------------------ */

enum job_kind {
	JOB_IN,
	JOB_OUT,
	JOB_PEER,
	JOB_CLEAR,
};

/* The arguments of a callback, for the worker. */
struct job {
	struct pool *pool, *src;
	enum job_kind kind;
	const struct uhmm_segment *seg;
	const struct uhmm_peer_segment *peer;
	size_t nr;
	uint64_t dpfn;
	size_t npages;
	cl_int err;
};

static cl_int enqueue_one(const struct job *j, size_t i)
{
	cl_command_queue q = j->pool->queue;
	cl_mem mem = j->pool->mem;

	if (j->kind == JOB_PEER)
		return clEnqueueCopyBuffer(q, j->src->mem, mem,
					   j->peer[i].src * PAGE,
					   j->peer[i].dst * PAGE,
					   j->peer[i].npages * PAGE, 0, NULL,
					   NULL);
	if (j->kind == JOB_IN)
		return clEnqueueWriteBuffer(q, mem, CL_FALSE,
					    j->seg[i].dpfn * PAGE,
					    j->seg[i].npages * PAGE,
					    j->seg[i].ram, 0, NULL, NULL);
	return clEnqueueReadBuffer(q, mem, CL_FALSE, j->seg[i].dpfn * PAGE,
				   j->seg[i].npages * PAGE, j->seg[i].ram, 0,
				   NULL, NULL);
}

static cl_int enqueue_copy(const struct job *j)
{
	const cl_uint zero = 0;
	cl_int err = CL_SUCCESS;

	if (j->kind == JOB_CLEAR)
		return clEnqueueFillBuffer(j->pool->queue, j->pool->mem, &zero,
					   sizeof(zero), j->dpfn * PAGE,
					   j->npages * PAGE, 0, NULL, NULL);
	for (size_t i = 0; i < j->nr && !err; i++)
		err = enqueue_one(j, i);
	return err;
}

/* Also after an error: commands that were enqueued use the caller's memory. */
static void job_on_worker(void *arg)
{
	struct job *j = arg;
	cl_int finished;

	j->err = enqueue_copy(j);
	finished = clFinish(j->pool->queue);
	if (!j->err)
		j->err = finished;
}

static int do_job(struct pool *pool, struct job *j)
{
	j->pool = pool;
	worker_do(&pool->worker, job_on_worker, j);
	return cl_errno(j->err);
}

static int queue_in(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return do_job(priv,
		      &(struct job){ .kind = JOB_IN, .seg = seg, .nr = nr });
}

static int queue_out(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return do_job(priv,
		      &(struct job){ .kind = JOB_OUT, .seg = seg, .nr = nr });
}

static int queue_clear(void *priv, uint64_t dpfn, size_t npages)
{
	return do_job(priv, &(struct job){ .kind = JOB_CLEAR,
					   .dpfn = dpfn,
					   .npages = npages });
}

static int queue_peer(void *priv, const struct uhmm_device_desc *src,
		      void *src_priv, const struct uhmm_peer_segment *seg,
		      size_t nr)
{
	struct pool *pool = priv, *from = src_priv;

	if (src->ops != &copy_queue_ops || from->context != pool->context)
		return -EOPNOTSUPP;
	return do_job(pool, &(struct job){ .kind = JOB_PEER,
					   .src = from,
					   .peer = seg,
					   .nr = nr });
}

/* ---- The tables -------------------------------------------------------- */

static void release(void *priv)
{
	pool_put(priv);
}

const struct uhmm_device_ops copy_direct_ops = {
	.size = sizeof(copy_direct_ops),
	.copy_to_devmem = direct_in,
	.copy_to_ram = direct_out,
	.copy_peer = direct_peer,
	.clear = direct_clear,
	.direct = direct_direct,
	.release = release,
};

const struct uhmm_device_ops copy_queue_ops = {
	.size = sizeof(copy_queue_ops),
	.copy_to_devmem = queue_in,
	.copy_to_ram = queue_out,
	.copy_peer = queue_peer,
	.clear = queue_clear,
	.release = release,
};

struct pool *pool_of(struct uhmm_device *dev)
{
	struct pool *pool = uhmm_device_priv(dev, &copy_direct_ops);

	return pool ? pool : uhmm_device_priv(dev, &copy_queue_ops);
}
