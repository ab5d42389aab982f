// SPDX-License-Identifier: MIT
/*
 * shared.c - buffers that host and device both use.  Where that works (see
 * pool.c) a buffer is the same memory; else there are two copies, pushed and
 * pulled.
 */
#include "run.h"

cl_int shared_open(struct shared *s, const struct pool *pool, size_t len)
{
	cl_mem_flags flags = CL_MEM_READ_WRITE;
	cl_int err;

	s->host = uhmm_provider_alloc(len);
	if (!s->host)
		return CL_OUT_OF_HOST_MEMORY;
	s->len = len;
	s->is_direct = pool->is_direct;
	flags |= s->is_direct ? CL_MEM_USE_HOST_PTR : CL_MEM_COPY_HOST_PTR;
	s->mem = clCreateBuffer(pool->context, flags, len, s->host, &err);
	if (err) {
		s->mem = NULL;
		shared_close(s);
	}
	return err;
}

void shared_close(struct shared *s)
{
	if (s->mem)
		clReleaseMemObject(s->mem);
	uhmm_provider_free(s->host, s->len);
	s->mem = NULL;
	s->host = NULL;
	s->len = 0;
}

cl_int shared_push(const struct shared *s, cl_command_queue q, size_t at,
		   size_t len)
{
	if (s->is_direct || !len)
		return CL_SUCCESS;
	return clEnqueueWriteBuffer(q, s->mem, CL_FALSE, at, len, s->host + at,
				    0, NULL, NULL);
}

cl_int shared_pull(const struct shared *s, cl_command_queue q, size_t at,
		   size_t len)
{
	if (s->is_direct || !len)
		return CL_SUCCESS;
	return clEnqueueReadBuffer(q, s->mem, CL_FALSE, at, len, s->host + at,
				   0, NULL, NULL);
}
