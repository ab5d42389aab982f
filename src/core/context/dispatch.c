/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c - where the body of a public call runs.
 *
 * Usually in place, with asynchronous signals blocked so that no handler of
 * the application runs while locks are held.  If the caller's own stack is
 * managed, or about to be, the worker runs the body while the caller sleeps:
 * the stack may move, and no lock is ever held on a managed stack.  Background
 * moves run in the worker too.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/operations.h"
#include "core/context/structs.h"
#include "core/device/callback.h"
#include "core/object/object.h"
#include "core/page/region.h"
#include "sys/fds.h"

#define STACK_NEED (128 * 1024) /* what a call may use below its caller */

/* ---- Execution -------------------------------------------------------- */

static int64_t execute(struct uhmm *u, const struct request *r)
{
	const struct operation *op = &operations[r->op];

	if (u->mm->ops->sync && !(op->flags & OPERATION_URGENT))
		u->mm->ops->sync(u->mm);
	return op->run(u, r);
}

static const char *name_of(const struct request *r)
{
	return r->background && !r->quiet ? "uhmm_migrate_start()" :
					    operations[r->op].name;
}

static int64_t execute_named(struct uhmm *u, const struct request *r)
{
	struct sys_call call;
	int64_t result;

	sys_call_begin(&call, name_of(r));
	result = execute(u, r);
	sys_call_end(&call);
	return result;
}

/* ---- Slots and lists of requests -------------------------------------- */

static uint32_t take_slot(struct requests *q, const struct request *req)
{
	uint32_t slot = q->free;

	if (!slot || (req->background && q->nr_background == NR_BACKGROUND) ||
	    (req->quiet && q->nr_quiet == NR_QUIET))
		return 0;
	q->nr_background += req->background;
	q->nr_quiet += req->quiet;
	q->free = q->slot[slot - 1].next;
	q->slot[slot - 1] = *req;
	q->slot[slot - 1].next = 0;
	return slot;
}

static void free_slot(struct requests *q, uint32_t slot)
{
	q->nr_background -= q->slot[slot - 1].background;
	q->nr_quiet -= q->slot[slot - 1].quiet;
	q->slot[slot - 1].next = q->free;
	q->free = slot;
	atomic_fetch_add(&q->freed, 1);
	sys_futex_wake(&q->freed, 1);
}

static void append(struct requests *q, uint32_t *head, uint32_t *tail,
		   uint32_t slot)
{
	if (*tail)
		q->slot[*tail - 1].next = slot;
	else
		*head = slot;
	*tail = slot;
}

static uint32_t pop(struct requests *q, uint32_t *head, uint32_t *tail)
{
	uint32_t slot = *head;

	if (!slot)
		return 0;
	*head = q->slot[slot - 1].next;
	if (!*head)
		*tail = 0;
	q->slot[slot - 1].next = 0;
	return slot;
}

/* ---- The worker ------------------------------------------------------- */

static void finish(struct requests *q, uint32_t slot, int64_t result)
{
	struct request *r = &q->slot[slot - 1];

	sys_mutex_lock(&q->lock);
	r->result = result;
	if (r->quiet) {
		free_slot(q, slot);
	} else if (r->background) {
		append(q, &q->done_head, &q->done_tail, slot);
		sys_eventfd_set(q->fd);
	} else {
		atomic_store(&r->done, 1);
	}
	sys_mutex_unlock(&q->lock);
	/* the slot may be another's by now: a wake-up for nothing at worst */
	sys_futex_wake(&r->done, 1);
}

static void worker(void *arg)
{
	struct uhmm *u = arg;
	struct requests *q = &u->requests;

	for (;;) {
		uint32_t seen = atomic_load(&q->kick), slot;
		bool stop;

		sys_mutex_lock(&q->lock);
		slot = pop(q, &q->head, &q->tail);
		stop = q->stop;
		sys_mutex_unlock(&q->lock);
		if (slot)
			finish(q, slot, execute_named(u, &q->slot[slot - 1]));
		else if (stop)
			return;
		else
			sys_futex_wait(&q->kick, seen, 0);
	}
}

/* Caller holds requests.lock. */
static int start_worker(struct uhmm *u)
{
	struct requests *q = &u->requests;
	int err = 0;

	if (!q->running)
		err = sys_thread_start(&q->thread, worker, u, -1,
				       "uhmm-worker");
	q->running = q->running || !err;
	return err;
}

/* Return: the slot, 0 when all slots are taken, -errno. */
static int64_t submit(struct uhmm *u, const struct request *req)
{
	struct requests *q = &u->requests;
	uint32_t slot = 0;
	int err;

	sys_mutex_lock(&q->lock);
	err = start_worker(u);
	if (!err)
		slot = take_slot(q, req);
	if (slot)
		append(q, &q->head, &q->tail, slot);
	sys_mutex_unlock(&q->lock);
	if (err)
		return err;
	atomic_fetch_add(&q->kick, 1);
	sys_futex_wake(&q->kick, 1);
	return slot;
}

/*
 * May a signal handler run, and longjmp(3) out, while the worker runs @r?  Not
 * if the worker writes to the caller's memory.
 */
static bool may_be_left(const struct request *r)
{
	return !r->why && !r->pfns && !r->ranges && !r->ret_group;
}

static void wait_for_worker(struct uhmm *u, struct request *r)
{
	struct sys_wait w = { .all = &u->waits, .what = "the worker to do it" };
	bool open = may_be_left(r);

	while (!atomic_load(&r->done))
		if (open)
			sys_wait_open(&w, &r->done, 0, 0);
		else
			sys_wait_on(&w, &r->done, 0, 0);
	sys_wait_end(&w);
}

static int64_t run_on_worker(struct uhmm *u, const struct request *req)
{
	struct requests *q = &u->requests;
	struct sys_wait w = { .all = &u->waits,
			      .what = "the worker to take its turn" };
	struct request *r;
	int64_t result;
	int slot;

	for (;;) {
		uint32_t seen = atomic_load(&q->freed);

		slot = (int)submit(u, req);
		if (slot)
			break;
		sys_wait_open(&w, &q->freed, seen, 0);
	}
	sys_wait_end(&w);
	if (slot < 0)
		return slot;
	r = &q->slot[slot - 1];
	wait_for_worker(u, r);
	result = r->result;
	sys_mutex_lock(&q->lock);
	free_slot(q, (uint32_t)slot);
	sys_mutex_unlock(&q->lock);
	return result;
}

int request_start_worker(struct uhmm *u)
{
	int err;

	sys_mutex_lock(&u->requests.lock);
	err = start_worker(u);
	sys_mutex_unlock(&u->requests.lock);
	return err;
}

/* ---- The callers' side ------------------------------------------------ */

static bool on_managed_stack(struct uhmm *u, const struct request *req)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	uintptr_t page = sp & ~(MM_PAGE_SIZE - 1);
	uintptr_t s, e;

	/* a range is taken in up to the next block on either side */
	if (req->addr && req->len && sp + MM_BLOCK_SIZE >= req->addr &&
	    sp < req->addr + req->len + MM_BLOCK_SIZE)
		return true;
	return object_has(u, page) ||
	       region_next(u, page - STACK_NEED, page + 1, &s, &e);
}

struct own_stack {
	struct uhmm *u;
	const struct request *req;
	int64_t result;
};

static void run_there(void *arg)
{
	struct own_stack *o = arg;

	o->result = execute_named(o->u, o->req);
}

/*
 * Run @req in a new thread: the worker may be in a call that cannot end before
 * this request has run.
 */
static int64_t run_on_own_stack(struct uhmm *u, const struct request *req)
{
	struct own_stack *o = sys_alloc(sizeof(*o));
	struct request *copy = sys_alloc(sizeof(*copy));
	int64_t result = -ENOMEM;
	struct sys_thread t;

	if (!o || !copy)
		goto out;
	*copy = *req;
	*o = (struct own_stack){ .u = u, .req = copy };
	result = sys_thread_start(&t, run_there, o, -1, "uhmm-lost");
	if (result)
		goto out;
	sys_thread_join(&t);
	result = o->result;
out:
	sys_free(copy, sizeof(*copy));
	sys_free(o, sizeof(*o));
	return result;
}

static bool has_flag(const struct request *req, unsigned flag)
{
	return operations[req->op].flags & flag;
}

static bool must_queue(struct uhmm *u, const struct request *req)
{
	struct requests *q = &u->requests;
	bool running;

	if (!has_flag(req, OPERATION_QUEUED))
		return false;
	sys_mutex_lock(&q->lock);
	running = q->running;
	sys_mutex_unlock(&q->lock);
	return running;
}

static int64_t route(struct uhmm *u, const struct request *req)
{
	if (has_flag(req, OPERATION_URGENT) && on_managed_stack(u, req))
		return run_on_own_stack(u, req);
	if (on_managed_stack(u, req) || must_queue(u, req))
		return run_on_worker(u, req);
	return execute(u, req);
}

/* Where the range of *@r is in a view, point *@r at the object's request. */
static int turn_to_object(struct uhmm *u, const struct request **r,
			  struct request *copy)
{
	unsigned flags = operations[(*r)->op].flags;

	if (!(flags & (OPERATION_OBJECTS | OPERATION_NO_OBJECTS)))
		return 0;
	return object_request(u, r, copy, flags & OPERATION_NO_OBJECTS);
}

/*
 * Do @req by @way, as a call of the library: a signal handler of the
 * application may make public calls too, and never interrupts a thread that
 * holds a lock of the library.
 */
static int64_t do_request(struct uhmm *u, const struct request *req,
			  int64_t (*way)(struct uhmm *u,
					 const struct request *req))
{
	struct request copy;
	struct sys_call call;
	int64_t result;

	if (!u)
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	if (device_in_callback())
		return -EDEADLK;
	sys_call_begin(&call, name_of(req));
	result = turn_to_object(u, &req, &copy);
	if (!result)
		result = way(u, req);
	sys_call_end(&call);
	return result;
}

int64_t request_run(struct uhmm *u, const struct request *req)
{
	return do_request(u, req, route);
}

int request_start(struct uhmm *u, const struct request *req)
{
	int64_t slot = do_request(u, req, submit);

	if (slot < 0)
		return (int)slot;
	return slot ? 0 : -EAGAIN;
}

void request_quietly(struct uhmm *u, const struct request *req)
{
	struct request copy = *req;

	copy.background = true;
	copy.quiet = true;
	submit(u, &copy);
}

ssize_t uhmm_complete(struct uhmm *u, struct uhmm_completion *ret_done,
		      size_t max)
{
	struct uhmm_completion list[NR_REQUESTS];
	struct requests *q;
	struct sys_call call;
	size_t n = 0;
	int err = check_entries(ret_done, sizeof(*ret_done), max);

	if (!u || err)
		return u ? err : -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	q = &u->requests;
	sys_call_begin(&call, "uhmm_complete()");
	sys_mutex_lock(&q->lock);
	while (n < max && n < NR_REQUESTS && q->done_head) {
		uint32_t slot = pop(q, &q->done_head, &q->done_tail);

		list[n].size = sizeof(*list);
		list[n].cookie = q->slot[slot - 1].cookie;
		list[n++].result = q->slot[slot - 1].result;
		free_slot(q, slot);
	}
	if (!q->done_head)
		sys_eventfd_clear(q->fd);
	sys_mutex_unlock(&q->lock);
	sys_call_end(&call);
	for (size_t i = 0; i < n; i++)
		put_entry(ret_done, i, &list[i], sizeof(*list));
	return (ssize_t)n;
}

/*
 * Wait until all background moves have ended.  The caller makes sure that none
 * is started meanwhile.
 */
void request_drain(struct uhmm *u)
{
	struct request nothing = { .op = REQ_NOTHING };

	if (u->requests.running)
		run_on_worker(u, &nothing);
}

/* ---- Life ------------------------------------------------------------- */

int request_init(struct uhmm *u)
{
	struct requests *q = &u->requests;

	for (uint32_t i = 0; i < NR_REQUESTS; i++)
		q->slot[i].next = i + 1 < NR_REQUESTS ? i + 2 : 0;
	q->free = 1;
	q->fd = sys_fd_keep(sys_eventfd(), SYS_FD_SELECT);
	return q->fd < 0 ? q->fd : 0;
}

/* Ends the worker after the queued requests. */
void request_stop(struct uhmm *u)
{
	struct requests *q = &u->requests;

	if (!q->running)
		return;
	sys_mutex_lock(&q->lock);
	q->stop = true;
	sys_mutex_unlock(&q->lock);
	atomic_fetch_add(&q->kick, 1);
	sys_futex_wake(&q->kick, 1);
	sys_thread_join(&q->thread);
	q->running = false;
}

void request_destroy(struct uhmm *u)
{
	if (u->requests.fd > 0)
		sys_close(u->requests.fd);
}
