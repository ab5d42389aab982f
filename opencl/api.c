// SPDX-License-Identifier: MIT
/*
 * api.c - devices that run kernels, and the kernels.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "header.h"
#include "run.h"

int say(struct uhmm_cl *cl, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cl->message, MESSAGE_LEN, fmt, ap);
	va_end(ap);
	return err;
}

int say_cl(struct uhmm_cl *cl, cl_int err, const char *what)
{
	return say(cl, cl_errno(err), "%s: %s (%d)", what, cl_error_name(err),
		   err);
}

const char *uhmm_cl_message(struct uhmm_cl *cl)
{
	return cl ? cl->message : "";
}

struct uhmm_device *uhmm_cl_device(struct uhmm_cl *cl)
{
	return cl ? cl->dev : NULL;
}

/* ---- Opening ----------------------------------------------------------- */

struct setup {
	struct uhmm_cl *cl;
	cl_int err;
};

static void setup_on_worker(void *arg)
{
	struct setup *s = arg;
	struct uhmm_cl *cl = s->cl;
	struct uhmm_device_info info = { .size = sizeof(info) };

	uhmm_device_query(cl->dev, &info);
	cl->queue = clCreateCommandQueue(cl->pool->context,
					 cl->pool->found.device, 0, &s->err);
	if (!s->err)
		s->err = table_open(&cl->table, cl->pool, info.id);
	if (!s->err)
		s->err =
			shared_open(&cl->ring, cl->pool,
				    (RING_HEAD + RING_SIZE) * sizeof(uint64_t));
}

static void teardown_on_worker(void *arg)
{
	struct uhmm_cl *cl = arg;

	table_close(&cl->table);
	shared_close(&cl->ring);
	shared_close(&cl->done);
	if (cl->queue)
		clReleaseCommandQueue(cl->queue);
}

static void free_cl(struct uhmm_cl *cl)
{
	struct pool *pool = cl->pool;

	uhmm_provider_free(cl->missed, RING_SIZE * sizeof(*cl->missed));
	uhmm_provider_free(cl->why, cl->pool->npages);
	uhmm_provider_free(cl->message, MESSAGE_LEN);
	uhmm_provider_free(cl, sizeof(*cl));
	pool_put(pool);
}

static struct uhmm_cl *alloc_cl(struct uhmm *u, struct uhmm_device *dev,
				struct pool *pool)
{
	struct uhmm_cl *cl = uhmm_provider_alloc(sizeof(*cl));

	if (!cl)
		return NULL;
	cl->u = u;
	cl->dev = dev;
	cl->pool = pool;
	pool_hold(pool);
	cl->pid = getpid();
	cl->missed = uhmm_provider_alloc(RING_SIZE * sizeof(*cl->missed));
	cl->why = uhmm_provider_alloc(pool->npages);
	cl->message = uhmm_provider_alloc(MESSAGE_LEN);
	if (cl->missed && cl->why && cl->message)
		return cl;
	free_cl(cl);
	return NULL;
}

static int open_cl(struct uhmm_cl *cl)
{
	struct setup s = { .cl = cl };
	int err;

	pthread_mutex_init(&cl->run, NULL);
	err = worker_start(&cl->worker, "uhmm-cl-run");
	if (err)
		return err;
	worker_do(&cl->worker, setup_on_worker, &s);
	err = cl_errno(s.err);
	if (!err)
		err = uhmm_mirror_add(cl->u, NULL, 0, cl->dev, &table_ops,
				      &cl->table, &cl->mirror);
	if (err) {
		worker_do(&cl->worker, teardown_on_worker, cl);
		worker_stop(&cl->worker);
	}
	return err;
}

int uhmm_cl_attach(struct uhmm *u, struct uhmm_device *dev,
		   struct uhmm_cl **ret_cl)
{
	struct pool *pool = dev ? pool_of(dev) : NULL;
	int saved = errno, err;
	struct uhmm_cl *cl;

	if (!u || !pool || !ret_cl)
		return -EINVAL;
	if (pool->pid != getpid())
		return -ENODEV;
	cl = alloc_cl(u, dev, pool);
	if (!cl)
		return -ENOMEM;
	err = open_cl(cl);
	if (err)
		free_cl(cl);
	else
		*ret_cl = cl;
	errno = saved;
	return err;
}

int uhmm_cl_open(struct uhmm *u, const char *spec, struct uhmm_cl **ret_cl)
{
	struct uhmm_device *dev;
	int err;

	if (!u || !spec || !ret_cl)
		return -EINVAL;
	/* The library holds this module, so it need not be found and loaded. */
	(void)uhmm_provider_register(&opencl_provider);
	err = uhmm_device_open(u, spec, &dev);
	if (err)
		return err;
	err = uhmm_cl_attach(u, dev, ret_cl);
	if (err)
		(void)uhmm_device_remove(dev);
	else
		(*ret_cl)->owns_device = true;
	return err;
}

/* ---- Kernels ----------------------------------------------------------- */

struct build {
	struct uhmm_cl_kernel *k;
	const char *source, *options, *name;
	cl_int err;
};

static void keep_log(const struct build *b)
{
	struct uhmm_cl *cl = b->k->cl;
	size_t len = 0;

	cl->message[0] = '\0';
	clGetProgramBuildInfo(b->k->program, cl->pool->found.device,
			      CL_PROGRAM_BUILD_LOG, 0, NULL, &len);
	if (len && len < MESSAGE_LEN)
		clGetProgramBuildInfo(b->k->program, cl->pool->found.device,
				      CL_PROGRAM_BUILD_LOG, len, cl->message,
				      NULL);
	if (!cl->message[0])
		say_cl(cl, b->err, "the program does not build");
}

static void release_kernel(struct uhmm_cl_kernel *k)
{
	if (k->kernel)
		clReleaseKernel(k->kernel);
	if (k->program)
		clReleaseProgram(k->program);
}

static void build_on_worker(void *arg)
{
	struct build *b = arg;
	struct uhmm_cl_kernel *k = b->k;
	char page[48];
	const char *text[] = { page, header_text, "\n#line 1\n", b->source };
	struct guard *g = guard_begin();

	uhmm_format(page, sizeof(page), "#define UHMM_PAGE_SHIFT %u\n",
		    PAGE_SHIFT);
	k->program = clCreateProgramWithSource(k->cl->pool->context, 4, text,
					       NULL, &b->err);
	if (!b->err) {
		b->err = clBuildProgram(k->program, 1,
					&k->cl->pool->found.device, b->options,
					NULL, NULL);
		if (b->err)
			keep_log(b);
	}
	if (!b->err) {
		k->kernel = clCreateKernel(k->program, b->name, &b->err);
		if (b->err)
			say_cl(k->cl, b->err, b->name);
	}
	if (b->err)
		release_kernel(k);
	guard_end(g);
}

static void release_on_worker(void *arg)
{
	release_kernel(arg);
}

static int do_build(struct uhmm_cl *cl, struct build *b)
{
	struct uhmm_cl_kernel *k = uhmm_provider_alloc(sizeof(*k));

	if (!k)
		return say(cl, -ENOMEM, "no memory");
	k->cl = cl;
	b->k = k;
	worker_do(&cl->worker, build_on_worker, b);
	if (b->err) {
		uhmm_provider_free(k, sizeof(*k));
		return cl_errno(b->err);
	}
	k->next = cl->kernels;
	cl->kernels = k;
	return 0;
}

int uhmm_cl_build(struct uhmm_cl *cl, const char *source, const char *options,
		  const char *name, struct uhmm_cl_kernel **ret_kernel)
{
	struct build b = {
		.source = source,
		.options = options,
		.name = name,
	};
	int saved = errno, err;

	if (!cl || !source || !name || !ret_kernel)
		return -EINVAL;
	if (cl->pid != getpid())
		return -ENODEV;
	pthread_mutex_lock(&cl->run);
	err = do_build(cl, &b);
	if (!err)
		*ret_kernel = b.k;
	pthread_mutex_unlock(&cl->run);
	errno = saved;
	return err;
}

static void unlink_kernel(struct uhmm_cl_kernel *k)
{
	struct uhmm_cl_kernel **at = &k->cl->kernels;

	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
}

void uhmm_cl_free(struct uhmm_cl_kernel *k)
{
	struct uhmm_cl *cl = k ? k->cl : NULL;

	if (!k)
		return;
	pthread_mutex_lock(&cl->run);
	unlink_kernel(k);
	if (cl->pid == getpid())
		worker_do(&cl->worker, release_on_worker, k);
	pthread_mutex_unlock(&cl->run);
	uhmm_provider_free(k, sizeof(*k));
}

/* ---- Closing ----------------------------------------------------------- */

int uhmm_cl_close(struct uhmm_cl *cl)
{
	struct uhmm_device *dev;
	bool owns;
	int err = 0;

	if (!cl)
		return 0;
	while (cl->kernels)
		uhmm_cl_free(cl->kernels);
	dev = cl->dev;
	owns = cl->owns_device;
	if (cl->pid == getpid()) {
		(void)uhmm_mirror_remove(cl->mirror);
		worker_do(&cl->worker, teardown_on_worker, cl);
		worker_stop(&cl->worker);
	}
	pthread_mutex_destroy(&cl->run);
	free_cl(cl);
	if (owns)
		err = uhmm_device_remove(dev);
	return err;
}
