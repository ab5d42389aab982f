/* SPDX-License-Identifier: MIT */
/*
 * fork.c - contexts around fork(2).
 *
 * DOC: Fork
 *
 * The child of a fork shares nothing with our userfaultfd: a page that is away
 * would read as zeroes there.  So before a fork the gate closes, moves under
 * way end, and every page comes home; it opens again in the parent.  In the
 * child the context is dead, and all memory its own.
 *
 * There are two sets of handlers.  The first to be registered, whose prepare
 * comes last and whose child comes first, holds what is the process's and not a
 * context's, and must be whole in the child.  The other one's prepare makes
 * threads, which allocates.  In between are the handlers of those who
 * registered later: they may still need faults, and those do go on.
 */
#include "core/fork.h"
#include "core/core.h"

#define GATE_CLOSED (UINT32_C(1) << 31)

static struct sys_mutex contexts_lock;
static struct uhmm *contexts;

/* ---- The gate --------------------------------------------------------- */

void gate_enter(struct uhmm *u)
{
	uint32_t v = atomic_load(&u->gate);

	for (;;) {
		if (v & GATE_CLOSED) {
			sys_futex_wait(&u->gate, v, 0);
			v = atomic_load(&u->gate);
		} else if (atomic_compare_exchange_weak(&u->gate, &v, v + 1)) {
			return;
		}
	}
}

void gate_leave(struct uhmm *u)
{
	if (atomic_fetch_sub(&u->gate, 1) == (GATE_CLOSED | 1))
		sys_futex_wake(&u->gate, INT32_MAX);
}

static void gate_close(struct uhmm *u)
{
	uint32_t v = atomic_fetch_or(&u->gate, GATE_CLOSED) | GATE_CLOSED;

	while (v != GATE_CLOSED) {
		sys_futex_wait(&u->gate, v, 0);
		v = atomic_load(&u->gate);
	}
}

static void gate_open(struct uhmm *u)
{
	atomic_store(&u->gate, 0);
	sys_futex_wake(&u->gate, INT32_MAX);
}

/* ---- Coming home ------------------------------------------------------ */

/* What is private will be shared until it is written to. */
static void rescue_all(void *arg)
{
	struct uhmm *u = arg;

	home_all(u, NULL, HOME_RESCUE);
	mirror_invalidate(u, 0, UINTPTR_MAX, UHMM_NOTIFY_PROTECT);
}

/* The worker may be waiting at the gate, and this stack may be away. */
static void rescue_on_own_stack(struct uhmm *u)
{
	struct sys_thread t;

	if (sys_thread_start(&t, rescue_all, u, -1, "uhmm-fork"))
		rescue_all(u);
	else
		sys_thread_join(&t);
}

/* ---- Processes that nobody announced ---------------------------------- */

#define AWAY                                                                  \
	(1u << P_DEVICE | 1u << P_COMING | 1u << P_FROZEN | 1u << P_LEAVING | \
	 1u << P_EXCLUSIVE | 1u << P_REVOKING | 1u << P_STASHING |            \
	 1u << P_POISONED)

/* In a child nobody else is there, and who was may have held the lock. */
static struct mm_set away_in(struct uhmm *u, struct block *b, bool alone)
{
	struct mm_set away;

	set_clear(&away);
	if (!alone)
		block_lock(b);
	for (unsigned i = 0; b->table && i < MM_BLOCK_PAGES; i++)
		if (AWAY >> page_state(b->table[i]) & 1)
			set_add(&away, i);
	if (!alone)
		block_unlock(u, b);
	return away;
}

int core_forked(void *priv, int child)
{
	struct uhmm *u = priv;
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	bool alone = atomic_load(&u->dead);
	int err = 0;

	for (uint32_t k = 0; k < nr && !err; k++) {
		struct block *b = u->blocks[k];
		struct mm_set away = away_in(u, b, alone);

		set_for_each_run(&away, first, last)
			err = u->mm->ops->fork_guard(u->mm, child,
						     block_addr(b, first),
						     last - first);
	}
	if (err)
		sys_logf(&u->log, SYS_WARN,
			 "a process was made by a bare system call: it will "
			 "hang where pages were away");
	return err;
}

/* ---- fork(2) ---------------------------------------------------------- */

/* Those of the process that this one is a copy of. */
static void bury(void)
{
	for (struct uhmm *u = contexts; u; u = u->next) {
		atomic_store(&u->dead, true);
		u->mm->ops->child(u->mm);
		sys_close(u->requests.fd);
		serve_child(u);
	}
	contexts = NULL;
}

/* After a bare clone(2) nobody has. */
static void bury_unnoticed(void)
{
	if (sys_is_marked_process())
		return;
	bury();
	atomic_store(&contexts_lock.word, 0);
	sys_remark_process();
}

static void prepare(void)
{
	bury_unnoticed();
	sys_mutex_lock(&contexts_lock);
	for (struct uhmm *u = contexts; u; u = u->next) {
		gate_close(u);
		if (atomic_load(&u->on_device) || atomic_load(&u->frozen) ||
		    atomic_load(&u->mirrors.count))
			rescue_on_own_stack(u);
		if (u->mm->ops->fork_begin)
			u->mm->ops->fork_begin(u->mm);
	}
}

static void parent(void)
{
	for (struct uhmm *u = contexts; u; u = u->next) {
		if (u->mm->ops->fork_end)
			u->mm->ops->fork_end(u->mm);
		gate_open(u);
	}
	sys_mutex_unlock(&contexts_lock);
}

static void prepare_last(void)
{
	serve_lock();
	region_fork_prepare();
	sys_own_lock();
}

static void parent_first(void)
{
	sys_own_unlock();
	region_fork_parent();
	serve_unlock();
}

/* The lock may be another's, who opens the first context. */
static void child_first(void)
{
	sys_own_unlock();
	region_fork_child();
	serve_unlock();
	for (struct uhmm *u = contexts; u; u = u->next) {
		atomic_store(&u->dead, true);
		if (u->mm->ops->fork_take)
			sys_close(u->mm->ops->fork_take(u->mm));
	}
	bury();
	sys_remark_process();
	atomic_store(&contexts_lock.word, 0);
}

/* Once for the life of the process, and its children's. */
static int hook(void)
{
	static int hooked;
	int err = 0;

	if (hooked == 0)
		err = sys_atfork(prepare_last, parent_first, child_first);
	if (hooked == 0 && !err)
		hooked = 1;
	if (hooked == 1)
		err = sys_atfork(prepare, parent, NULL);
	if (hooked == 1 && !err)
		hooked = 2;
	return err;
}

int fork_enlist(struct uhmm *u)
{
	int err;

	bury_unnoticed();
	sys_mutex_lock(&contexts_lock);
	err = hook();
	if (!err)
		err = sys_mark_process();
	if (!err) {
		u->next = contexts;
		contexts = u;
	}
	sys_mutex_unlock(&contexts_lock);
	return err;
}

void fork_delist(struct uhmm *u)
{
	struct uhmm **p = &contexts;

	sys_mutex_lock(&contexts_lock);
	while (*p && *p != u)
		p = &(*p)->next;
	if (*p)
		*p = u->next;
	sys_mutex_unlock(&contexts_lock);
}
