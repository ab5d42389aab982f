/* SPDX-License-Identifier: MIT */
/*
 * members.c - seats: which process has which, and which have died.
 *
 * A seat names its process.  A member that needs room looks whether that
 * process lives, and frees its seat if not.  The state of a seat counts how
 * many times it was taken: when two members free the same seat at once, the
 * second one cannot take it from a process that has it since.
 */
#include <errno.h>
#include <string.h>

#include "core/budget/budget_int.h"
#include "core/context/structs.h"
#include "mm/mm.h"
#include "sys/local.h"
#include "sys/sys.h"

#define LEN sizeof(struct budget_shared)

/* The low bits of budget_seat.state; only a seat that is TAKEN is looked at. */
enum {
	EMPTY,
	CHANGING,
	TAKEN,
	BITS = 3,
	NEXT = 4,
};

static _Atomic uint32_t attached_by; /* the process that attached first */

static bool is_seat_taken(const struct budget_seat *s)
{
	return (atomic_load(&s->state) & BITS) == TAKEN;
}

static struct sys_process process_of(const struct budget_seat *s)
{
	return (struct sys_process){ .pid = atomic_load(&s->pid),
				     .began = atomic_load(&s->began),
				     .space = atomic_load(&s->space) };
}

static bool is_of(const struct budget_seat *s, const struct sys_process *p)
{
	struct sys_process is = process_of(s);

	return is_seat_taken(s) && is.pid == p->pid && is.began == p->began &&
	       is.space == p->space;
}

/* The calling process; in a forked child, @b->self is still the parent's. */
static const struct sys_process *self(struct uhmm_budget *b)
{
	if (b->self.pid != (uint32_t)sys_pid())
		b->self = sys_process_self();
	return &b->self;
}

static void clear_seat(struct budget_seat *s)
{
	atomic_store(&s->grant, 0);
	atomic_store(&s->used, 0);
	atomic_store(&s->target, 0);
	atomic_store(&s->taxed, 0);
}

static uint32_t end(const struct uhmm_budget *b)
{
	uint32_t n = atomic_load(&b->shared->end);

	return n < UHMM_BUDGET_MEMBERS ? n : UHMM_BUDGET_MEMBERS;
}

struct budget_seat *budget_next(const struct uhmm_budget *b, uint32_t *n)
{
	uint32_t last = end(b);

	for (; *n < last; ++*n)
		if (is_seat_taken(&b->shared->seat[*n]))
			return &b->shared->seat[(*n)++];
	return NULL;
}

struct budget_sums budget_sum(const struct uhmm_budget *b)
{
	struct budget_sums sum = { .members = 0 };
	struct budget_seat *s;

	for (uint32_t n = 0; (s = budget_next(b, &n)); sum.members++) {
		sum.granted += atomic_load(&s->grant);
		sum.used += atomic_load(&s->used);
	}
	return sum;
}

/* ---- Taking one ---- */

static void grow_end(struct uhmm_budget *b, uint32_t n)
{
	uint32_t was = atomic_load(&b->shared->end);

	while (was <= n &&
	       !atomic_compare_exchange_weak(&b->shared->end, &was, n + 1))
		;
}

static bool sit_down(struct uhmm_budget *b, uint32_t n,
		     const struct sys_process *p)
{
	struct budget_seat *s = &b->shared->seat[n];
	uint32_t was = atomic_load(&s->state);

	if ((was & BITS) != EMPTY ||
	    !atomic_compare_exchange_strong(&s->state, &was, was + CHANGING))
		return false;
	clear_seat(s);
	atomic_store(&s->pid, p->pid);
	atomic_store(&s->began, p->began);
	atomic_store(&s->space, p->space);
	atomic_store(&s->state, was + TAKEN);
	grow_end(b, n);
	atomic_store(&b->at, n);
	atomic_fetch_add(&b->shared->joined, 1);
	return true;
}

static struct budget_seat *take_seat(struct uhmm_budget *b,
				     const struct sys_process *p)
{
	for (uint32_t n = 0; n < UHMM_BUDGET_MEMBERS; n++)
		if (sit_down(b, n, p))
			return &b->shared->seat[n];
	return &b->alone;
}

struct budget_seat *budget_seat(struct uhmm_budget *b)
{
	struct budget_seat *s = &b->shared->seat[atomic_load(&b->at)];
	const struct sys_process *p = self(b);

	return is_of(s, p) ? s : take_seat(b, p);
}

/* ---- Leaving ---- */

/*
 * Free the seat, unless its state is not @was any more: then another member has
 * freed it.
 */
static void get_up(struct budget_seat *s, uint32_t was)
{
	if (!atomic_compare_exchange_strong(&s->state, &was,
					    was - TAKEN + CHANGING))
		return;
	clear_seat(s);
	atomic_store(&s->state, was - TAKEN + NEXT);
}

void budget_leave(struct uhmm_budget *b)
{
	struct budget_seat *s = &b->shared->seat[atomic_load(&b->at)];
	uint32_t state = atomic_load(&s->state);

	if (is_of(s, self(b)))
		get_up(s, state);
}

void budget_reap(struct uhmm_budget *b)
{
	const struct sys_process *me = self(b);
	uint32_t last = end(b);

	for (uint32_t n = 0; n < last; n++) {
		struct budget_seat *s = &b->shared->seat[n];
		uint32_t state = atomic_load(&s->state);
		struct sys_process p = process_of(s);

		if ((state & BITS) == TAKEN && !is_of(s, me) &&
		    sys_process_ended(&p, me))
			get_up(s, state);
	}
}

/* Free the seats that this process took before it called execve(2). */
static void forget_former(struct uhmm_budget *b)
{
	const struct sys_process *me = self(b);
	uint32_t last = end(b);

	if (atomic_exchange(&attached_by, me->pid) == me->pid)
		return;
	for (uint32_t n = 0; n < last; n++) {
		struct budget_seat *s = &b->shared->seat[n];
		uint32_t state = atomic_load(&s->state);

		if (is_of(s, me))
			get_up(s, state);
	}
}

bool budget_use(struct uhmm_budget *b, bool on)
{
	uint32_t pid = (uint32_t)sys_pid(), user = atomic_load(&b->user);

	if (on && user == pid)
		return false;
	atomic_store(&b->user, on ? pid : 0);
	return true;
}

void budget_kick(struct budget_seat *s)
{
	if (!atomic_exchange(&s->kick, 1))
		sys_futex_wake_shared(&s->kick, 1);
}

/* ---- Public ---- */

int uhmm_budget_create(const char *path, uint64_t bytes)
{
	struct budget_shared *shared;
	void *p;
	int err;

	if (!path || !bytes || bytes % MM_PAGE_SIZE)
		return -EINVAL;
	err = sys_shared_create(path, LEN);
	if (err)
		return err;
	err = sys_shared_map(path, LEN, &p);
	if (err) {
		sys_unlink(path);
		return err;
	}
	shared = p;
	atomic_store(&shared->total, bytes >> MM_PAGE_SHIFT);
	atomic_store(&shared->magic, BUDGET_MAGIC);
	sys_shared_unmap(p, LEN);
	return 0;
}

int uhmm_budget_attach(const char *path, struct uhmm_budget **ret_budget)
{
	struct uhmm_budget *b;
	void *p;
	int err;

	if (!path || !ret_budget)
		return -EINVAL;
	err = sys_shared_map(path, LEN, &p);
	if (err)
		return err;
	b = sys_alloc(sizeof(*b));
	if (!b ||
	    atomic_load(&((struct budget_shared *)p)->magic) != BUDGET_MAGIC) {
		sys_shared_unmap(p, LEN);
		err = b ? -EINVAL : -ENOMEM;
		sys_free(b, sizeof(*b));
		return err;
	}
	b->shared = p;
	forget_former(b);
	*ret_budget = b;
	return 0;
}

void uhmm_budget_detach(struct uhmm_budget *b)
{
	if (!b)
		return;
	budget_leave(b);
	sys_shared_unmap(b->shared, LEN);
	sys_free(b, sizeof(*b));
}

int uhmm_budget_query(struct uhmm_budget *b, struct uhmm_budget_info *ret_info)
{
	struct uhmm_budget_info i = { .size = 0 };
	struct budget_sums sum;
	int err;

	if (!b || !ret_info)
		return -EINVAL;
	err = check_struct(ret_info, sizeof(i), ret_info->size);
	if (err)
		return err;
	i.size = ret_info->size;
	budget_reap(b);
	sum = budget_sum(b);
	i.members = sum.members;
	i.granted = sum.granted << MM_PAGE_SHIFT;
	i.used = sum.used << MM_PAGE_SHIFT;
	i.total = budget_total(b) << MM_PAGE_SHIFT;
	i.peak = atomic_load(&b->shared->peak) << MM_PAGE_SHIFT;
	i.joined = atomic_load(&b->shared->joined);
	memcpy(ret_info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
