// SPDX-License-Identifier: MIT
/*
 * run.c - launches a kernel until all of its work-items are done.
 *
 * First all work-items are launched together, as one box.  A box is cut in two
 * if its missed pages do not fit, although all pages that were not used lately
 * went home, and no work-item has finished.  A half may be cut again, down to
 * one work-group.  If the pages of one work-group do not fit the device is too
 * small.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define MAX_BOXES   128
#define PATIENCE_S  5
#define PATIENCE_NR 100

/* ---- What is asked for ------------------------------------------------- */

/*
 * Check the entries of the caller's array.  If they are longer than ours the
 * rest must be zero.
 */
static int check_array(struct run *r, const void *list, uint64_t nr,
		       size_t least)
{
	size_t size = nr ? *(const size_t *)list : least;

	if (size < least)
		return say(r->cl, -EINVAL, "size of an entry is malformed");
	for (uint64_t i = 0; i < nr; i++) {
		const char *entry = (const char *)list + i * size;

		for (size_t k = least; k < size; k++)
			if (entry[k])
				return say(r->cl, -E2BIG,
					   "entry %u has what is not known",
					   (unsigned)i);
	}
	return 0;
}

static int copy_args(struct run *r)
{
	for (uint64_t i = 0; i < r->launch.nr_args; i++) {
		const struct uhmm_cl_arg *a = run_arg(r, i);
		bool is_value = a->kind == UHMM_CL_VALUE;

		if (a->reserved || !a->kind || a->kind > UHMM_CL_LOCAL ||
		    (is_value && (!a->value || !a->len || a->len > MAX_VALUE)))
			return say(r->cl, -EINVAL, "argument %u is malformed",
				   (unsigned)i);
		r->args[i] = *a;
		if (is_value)
			memcpy(r->values[i], a->value, a->len);
	}
	return 0;
}

static bool has_size(struct run *r)
{
	r->total = 1;
	for (unsigned d = 0; d < 3; d++) {
		uint64_t *n = &r->launch.global[d],
			 *local = &r->launch.local[d];

		if (d >= r->launch.dims) {
			*n = 1;
			*local = r->launch.local[0] ? 1 : 0;
		}
		r->unit[d] = *local ? *local : 1;
		if (!*n || *n % r->unit[d] || *n > UINT32_MAX ||
		    !*local != !r->launch.local[0])
			return false;
		r->total *= *n;
		if (r->total > UINT32_MAX)
			return false;
	}
	return true;
}

static int check(struct run *r)
{
	const struct uhmm_cl_launch *l = &r->launch;
	int err;

	if (!l->dims || l->dims > 3 || l->flags)
		return say(r->cl, -EINVAL, "dims or flags are malformed");
	if (l->nr_args > MAX_ARGS || (l->nr_args && !l->args) ||
	    (l->nr_ranges && !l->ranges))
		return say(r->cl, -EINVAL, "arguments or ranges are malformed");
	if (!has_size(r))
		return say(r->cl, -EINVAL,
			   "global is 0, too large, or no multiple of local");
	err = check_array(r, l->args, l->nr_args, sizeof(*l->args));
	if (!err)
		err = check_array(r, l->ranges, l->nr_ranges,
				  sizeof(*l->ranges));
	return err ? err : copy_args(r);
}

/* ---- Boxes ------------------------------------------------------------- */

static bool split(const struct box *b, struct box *low, struct box *high)
{
	unsigned d = 0;

	for (unsigned i = 1; i < 3; i++)
		if (b->n[i] > 1 && (b->n[d] == 1 || b->n[i] >= b->n[d]))
			d = i;
	if (b->n[d] == 1)
		return false;
	*low = *high = *b;
	low->n[d] = b->n[d] / 2;
	high->from[d] += low->n[d];
	high->n[d] -= low->n[d];
	return true;
}

/* Pages used so far may be evicted from here on. */
static void next_epoch(struct uhmm_cl *cl)
{
	sigset_t old = table_lock(&cl->table);

	cl->table.epoch++;
	table_unlock(&cl->table, old);
}

static uint64_t valid_pages(struct uhmm_cl *cl)
{
	sigset_t old = table_lock(&cl->table);
	uint64_t n = cl->table.valid;

	table_unlock(&cl->table, old);
	return n;
}

static uint64_t count_done(const struct run *r)
{
	const unsigned char *done = r->cl->done.host;
	uint64_t n = 0;

	for (uint64_t i = 0; i < r->total; i++)
		n += done[i];
	return n;
}

/*
 * The progress of a box.
 * @most: the most valid entries since a work-item has finished
 * @since, @fruitless: time and number of rounds without progress
 */
struct progress {
	uint64_t most;
	time_t since;
	unsigned fruitless;
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Is there progress?  -EBUSY: there was none for too long. */
static int look(struct run *r, struct progress *p)
{
	uint64_t done = count_done(r), valid = valid_pages(r->cl);
	bool finished = done > r->finished;

	/* their pages may be evicted */
	if (finished)
		next_epoch(r->cl);
	if (finished || valid > p->most) {
		r->finished = done;
		p->most = finished ? 0 : valid;
		p->fruitless = 0;
		p->since = now();
		return 0;
	}
	if (++p->fruitless < PATIENCE_NR || now() - p->since < PATIENCE_S)
		return 0;
	return say(r->cl, -EBUSY,
		   "pages that the kernel needs do not stay on the device: the "
		   "CPU uses them all the time");
}

/*
 * How many pages to bring in one round.  An eighth of the device is left to
 * pages that were there already and that all work-items may use.
 */
static uint64_t limit_of(const struct run *r, const struct box *b)
{
	uint64_t npages = r->cl->pool->npages;

	if (b->n[0] * b->n[1] * b->n[2] == 1)
		return npages;
	return npages - npages / 8;
}

/* 0: the box is done; -ENOSPC: cut it in two. */
static int run_box(struct run *r, const struct box *b)
{
	struct progress p = { .since = now() };
	uint64_t missed, brought = 0;
	int err;

	next_epoch(r->cl);
	for (;;) {
		err = launch_box(r, b, &missed);
		if (err || !missed)
			return err;
		err = look(r, &p);
		if (!err)
			err = service(r, missed, limit_of(r, b), &brought);
		if (err == -EAGAIN)
			sched_yield();
		else if (err && !(err == -ENOSPC && brought))
			return err;
	}
}

static int too_small(struct run *r)
{
	return say(r->cl, -ENOSPC,
		   "one work-group needs more than the %ju pages of the device",
		   (uintmax_t)r->cl->pool->npages);
}

static int run_boxes(struct run *r)
{
	struct box stack[MAX_BOXES] = { 0 };
	unsigned nr = 1;
	int err = 0;

	for (unsigned d = 0; d < 3; d++)
		stack[0].n[d] = r->launch.global[d] / r->unit[d];
	while (nr && !err) {
		struct box b = stack[--nr], low, high;

		err = run_box(r, &b);
		if (err != -ENOSPC)
			continue;
		if (nr + 2 > MAX_BOXES || !split(&b, &low, &high))
			return too_small(r);
		stack[nr++] = high;
		stack[nr++] = low;
		r->stats.splits++;
		err = 0;
	}
	return err;
}

/* ---- The call ---------------------------------------------------------- */

static void pull_used(void *arg)
{
	struct uhmm_cl *cl = arg;

	if (!shared_pull(&cl->table.used, cl->queue, cl->table.npages,
			 cl->table.npages))
		clFinish(cl->queue);
}

static uint64_t count_written(struct uhmm_cl *cl)
{
	struct table *t = &cl->table;
	uint64_t n = 0;
	sigset_t old;

	worker_do(&cl->worker, pull_used, cl);
	old = table_lock(t);
	for (uint32_t i = 0; i < t->nr_leaves * LEAF_PAGES; i++) {
		if (!t->leaves[i / LEAF_PAGES].valid) {
			i |= LEAF_PAGES - 1;
			continue;
		}
		if (t->entries[i] & ENTRY_WRITE)
			n += t->used.host[t->npages +
					  (t->entries[i] >> ENTRY_SHIFT)];
	}
	table_unlock(t, old);
	return n;
}

static int do_run(struct run *r)
{
	int err = check(r);

	if (!err)
		err = launch_prepare(r);
	if (err)
		return err;
	next_epoch(r->cl);
	err = bring_ahead(r);
	return err ? err : run_boxes(r);
}

static struct uhmm_device_info query(struct uhmm_cl *cl)
{
	struct uhmm_device_info info = { .size = sizeof(info) };

	(void)uhmm_device_query(cl->dev, &info);
	return info;
}

static int locked_run(struct run *r, struct uhmm_cl_stats *ret_stats)
{
	struct uhmm_device_info before = query(r->cl), after;
	int err = do_run(r);

	if (!ret_stats)
		return err;
	after = query(r->cl);
	r->stats.size = ret_stats->size;
	r->stats.bytes_in = (after.pages_in - before.pages_in) * PAGE;
	r->stats.bytes_out = (after.pages_out - before.pages_out) * PAGE;
	r->stats.written = count_written(r->cl);
	memcpy(ret_stats, &r->stats,
	       r->stats.size < sizeof(r->stats) ? r->stats.size :
						  sizeof(r->stats));
	return err;
}

/* Is a field set that this version does not know? */
static bool has_unknown_tail(const struct uhmm_cl_launch *launch)
{
	const char *bytes = (const char *)launch;
	bool is_set = false;

	for (size_t i = sizeof(*launch); i < launch->size && !is_set; i++)
		is_set = bytes[i];
	return is_set;
}

int uhmm_cl_run(struct uhmm_cl_kernel *kernel,
		const struct uhmm_cl_launch *launch,
		struct uhmm_cl_stats *ret_stats)
{
	int saved = errno, err;
	struct run *r;

	if (!kernel || !launch ||
	    (ret_stats && ret_stats->size < sizeof(size_t)))
		return -EINVAL;
	if (launch->size < sizeof(*launch))
		return -EINVAL;
	if (has_unknown_tail(launch))
		return -E2BIG;
	if (kernel->cl->pid != getpid())
		return -ENODEV;
	r = uhmm_provider_alloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->cl = kernel->cl;
	r->kernel = kernel;
	r->launch = *launch;
	pthread_mutex_lock(&r->cl->run);
	err = locked_run(r, ret_stats);
	pthread_mutex_unlock(&r->cl->run);
	uhmm_provider_free(r, sizeof(*r));
	errno = saved;
	return err;
}
