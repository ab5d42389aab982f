/* SPDX-License-Identifier: MIT */
/*
 * fork.c - contexts around fork(2).
 *
 * DOC: Fork
 *
 * The memory of a forked child is not registered with the parent's userfaultfd:
 * a page that is away would read as zeroes there.  So before a fork the gate
 * closes, moves under way end, and every page comes home that the child could
 * not bring home by itself (inherit.c).  The gate opens again in the parent.
 * In the child the context is dead; if pages stayed away, a new context, the
 * heir, manages them.
 *
 * In a process that is made without these handlers a touch of a page that was
 * away raises a signal. core_forked() sees to that if the kernel tells of the
 * fork, hide_all() otherwise.
 *
 * There are two sets of handlers.  The set that is registered first is for the
 * state of the process: its prepare handler runs last, and its child handler
 * first.  The second set is for the contexts; its prepare handler makes
 * threads, which allocates.  Handlers that other libraries registered in
 * between run between the two: these may fault, and faults are served.
 *
 * Faults are served during the fork itself, too: the kernel holds the forking
 * thread until the library has read the fork event.  So no lock that serving
 * faults or events needs is held meanwhile.  Data that the child goes on using
 * are consistent at any moment.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/device/device.h"
#include "core/file/file.h"
#include "core/fork/fork.h"
#include "core/fork/gate.h"
#include "core/limit/demote.h"
#include "core/move/fits.h"
#include "core/move/home.h"
#include "core/notify/notify.h"
#include "core/object/object.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/report/stat_socket.h"
#include "sys/fds.h"

#define THAW_TRIES 250
#define THAW_NS	   (1000 * 1000)
#define STACK_NEED ((uintptr_t)128 << 10)

static struct sys_mutex contexts_lock;
static struct uhmm *contexts;

/* ---- Coming home ------------------------------------------------------ */

/*
 * Bring all pages home.  Mirrors lose their writable entries, because after the
 * fork a private page is shared until it is written to.
 */
static void rescue_all(void *arg)
{
	struct uhmm *u = arg;

	home_all(u, NULL, HOME_FORK);
	policy_passed(u);
	mirror_invalidate(u, 0, UINTPTR_MAX, UHMM_NOTIFY_PROTECT);
}

/* Return: true when no page of the block is frozen any more. */
static bool thaw_block(struct uhmm *u, struct block *b)
{
	struct mm_set all;
	bool done;

	set_fill(&all);
	block_lock(b);
	if (b->nr[P_FROZEN])
		home_thaw_set(u, b, &all, P_FROZEN);
	done = !b->nr[P_FROZEN];
	block_unlock(u, b);
	return done;
}

static void thaw_all(struct uhmm *u)
{
	block_for_each(u, b)
		for (int tries = 0; tries < THAW_TRIES; tries++) {
			if (thaw_block(u, b))
				break;
			sys_rest((unsigned)tries, THAW_NS);
		}
}

/* Bring home the pages of all devices that a child cannot read. */
static void settle_for_fork(void *arg)
{
	struct uhmm *u = arg;

	device_for_each(u, dev)
		if (!(dev->desc.flags & UHMM_DEVICE_FORKS))
			home_all(u, dev, HOME_FORK);
	object_settle(u);
	thaw_all(u);
}

/*
 * Run @fn in a new thread: the worker may be waiting at the gate, and the stack
 * of the calling thread may be away.
 */
static void on_own_stack(struct uhmm *u, void (*fn)(void *))
{
	struct sys_thread t;

	if (sys_thread_start(&t, fn, u, -1, "uhmm-fork"))
		fn(u);
	else
		sys_thread_join(&t);
}

static bool is_anything_away(struct uhmm *u)
{
	return atomic_load(&u->on_device) || atomic_load(&u->frozen) ||
	       atomic_load(&u->mirrors.count);
}

static bool has_managed(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	uintptr_t s, e;

	return region_next(u, start, end, &s, &e);
}

/*
 * Is memory managed that the child uses before its faults are served: the
 * stack, the thread pointer's target, thread-local variables?
 */
static bool is_own_managed(struct uhmm *u)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	uintptr_t tls = (uintptr_t)__builtin_thread_pointer();
	static _Thread_local char here;

	return has_managed(u, sp - STACK_NEED, sp + 1) ||
	       has_managed(u, tls, tls + 1) ||
	       has_managed(u, (uintptr_t)&here, (uintptr_t)&here + 1);
}

/*
 * Return: whether pages stay away during the fork.  Faults may still bring some
 * home.
 */
static bool keep_away(struct uhmm *u)
{
	if (!(u->flags & UHMM_OPEN_FORK) || !u->mm->can_fork ||
	    atomic_load(&u->mirrors.count) || !atomic_load(&u->on_device) ||
	    is_own_managed(u))
		return false;
	on_own_stack(u, settle_for_fork);
	return atomic_load(&u->on_device) && !atomic_load(&u->frozen);
}

/* ---- Processes made past the handlers ---------------------------------- */

/*
 * The pages of @b that a child would not find.  @alone: this is the child; the
 * lock may be held by a thread that the child does not have.
 */
static struct mm_set away_in(struct uhmm *u, struct block *b,
			     bool alone) NOT_GUARDED
{
	struct mm_set away;

	set_clear(&away);
	if (!alone)
		block_lock(b);
	for (unsigned i = 0; b->table && i < MM_BLOCK_PAGES; i++)
		if (page_has(b->table[i], PAGE_LOST_IN_CHILD) &&
		    !block_is_file(b, i)) /* which is not mapped there */
			set_add(&away, i);
	if (!alone)
		block_unlock(u, b);
	return away;
}

void core_forked(void *priv, int child)
{
	struct uhmm *u = priv;
	bool alone = atomic_load(&u->dead);

	block_for_each(u, b) {
		struct mm_set away;

		if (move_is_shared(u, b)) /* not mapped there: it is hidden */
			continue;
		away = away_in(u, b, alone);
		set_for_each_run(&away, first, last)
			u->mm->ops->fork_guard(u->mm, child,
					       block_addr(b, first),
					       last - first);
	}
}

/* ---- fork(2) ---------------------------------------------------------- */

/* Mark inherited contexts dead, and close their descriptors. */
static void bury(void)
{
	for (struct uhmm *u = contexts; u; u = u->next) {
		atomic_store(&u->dead, true);
		u->mm->ops->child(u->mm);
		sys_close(u->requests.fd);
		serve_child(u);
		file_child(u);
	}
	contexts = NULL;
}

/*
 * If this process was made by a bare clone(2), which runs no handlers: do the
 * child handler's work now.
 */
static void bury_unnoticed(void)
{
	if (sys_is_marked_process())
		return;
	sys_fds_child();
	bury();
	sys_mutex_reset(&contexts_lock);
	sys_remark_process();
}

/* Hide managed memory from processes that are made without the handlers. */
static void hide_all(struct uhmm *u, bool hide)
{
	if (!u->mm->ops->fork_hide)
		return;
	region_for_each(u, 0, UINTPTR_MAX, start, end)
		if (!file_is_childless(u, start))
			u->mm->ops->fork_hide(u->mm, start, end, hide);
}

/*
 * Without descriptors for the child to be had, no page can stay away.  They are
 * asked for last: what settles before may need some.
 */
static void begin_fork(struct uhmm *u)
{
	const struct mm_ops *ops = u->mm->ops;

	u->fork.kept = keep_away(u);
	if (!u->fork.kept && is_anything_away(u))
		on_own_stack(u, rescue_all);
	if (!ops->fork_begin || !ops->fork_begin(u->mm) || !u->fork.kept)
		return;
	ops->fork_end(u->mm);
	u->fork.kept = false;
	on_own_stack(u, rescue_all);
	ops->fork_begin(u->mm);
}

static void prepare_lock(void)
{
	const char *was = sys_call_rename("fork(2)");

	bury_unnoticed();
	sys_mutex_lock(&contexts_lock);
	for (struct uhmm *u = contexts; u; u = u->next) {
		gate_close(u);
		begin_fork(u);
		hide_all(u, false);
		object_show_all(u);
	}
	sys_call_rename(was);
}

static void parent_unlock(void)
{
	for (struct uhmm *u = contexts; u; u = u->next) {
		if (u->mm->ops->fork_end)
			u->mm->ops->fork_end(u->mm);
		hide_all(u, true);
		gate_open(u);
	}
	sys_mutex_unlock(&contexts_lock);
}

static void prepare_last_lock(void)
{
	serve_lock();
	region_fork();
}

static void parent_first_unlock(void)
{
	region_forked(false);
	serve_unlock();
}

/* Kill the child, which would read zeroes where pages were away. */
_Noreturn static void die(struct uhmm *u, int err)
{
	sys_logf(&u->log, SYS_ERR,
		 "a child of fork(2) cannot have its pages that are away: %s; "
		 "it is killed",
		 err == -EOWNERDEAD ? "its parent died" : sys_error(err));
	sys_die();
}

static void take_over_pages(struct uhmm *u)
{
	int err = u->fork.fd;

	if (!u->fork.kept) {
		sys_close(u->fork.fd);
		return;
	}
	if (err >= 0)
		err = heir_open(u, u->fork.fd);
	if (err)
		die(u, err);
}

static int take_fd(struct uhmm *u)
{
	const struct mm_ops *ops = u->mm->ops;

	return ops->fork_take ? ops->fork_take(u->mm) : -ENODATA;
}

/* A thread of the parent that opened the first context may hold the lock. */
static void child_first(void)
{
	struct uhmm *list = contexts;

	sys_own_child();
	sys_fds_child();
	region_forked(true);
	serve_unlock();
	for (struct uhmm *u = list; u; u = u->next) {
		atomic_store(&u->dead, true);
		u->fork.fd = take_fd(u);
	}
	bury();
	sys_remark_process();
	sys_mutex_reset(&contexts_lock);
	sys_freeze_env(true);
	for (struct uhmm *u = list; u; u = u->next)
		take_over_pages(u);
	sys_freeze_env(false);
}

/* May run in any thread, whatever locks it holds: takes no lock. */
static void say_lost(const char *why)
{
	struct uhmm *u = contexts;

	sys_logf(u ? &u->log : NULL, SYS_ERR,
		 "%s; memory that is away cannot be read without, so the "
		 "process ends",
		 why);
}

/* Register the handlers, once for the life of the process and its children. */
static int hook(void)
{
	static int hooked;
	int err = 0;

	if (hooked == 0)
		err = sys_atfork(prepare_last_lock, parent_first_unlock,
				 child_first);
	if (hooked == 0 && !err)
		hooked = 1;
	if (hooked == 1)
		err = sys_atfork(prepare_lock, parent_unlock, NULL);
	if (hooked == 1 && !err)
		hooked = 2;
	return err;
}

int fork_enlist(struct uhmm *u)
{
	int err;

	bury_unnoticed();
	sys_fds_on_lost(say_lost);
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

/*
 * Unregister all ranges while there are threads that read events.  A fork later
 * would wait for such a thread to read its event.
 */
static void untrack_all(struct uhmm *u)
{
	region_for_each(u, 0, UINTPTR_MAX, start, end)
		u->mm->ops->untrack(u->mm, start, end, NULL, NULL);
}

/*
 * parent_unlock() hides all ranges again, under contexts_lock; so unregister
 * them under that lock.
 */
void fork_delist(struct uhmm *u)
{
	struct uhmm **p = &contexts;

	sys_mutex_lock(&contexts_lock);
	untrack_all(u);
	while (*p && *p != u)
		p = &(*p)->next;
	if (*p)
		*p = u->next;
	sys_mutex_unlock(&contexts_lock);
}
