/* SPDX-License-Identifier: MIT */
/*
 * context.c - a context from open to close, and around fork(2).
 *
 * DOC: Fork
 *
 * The child of a fork shares nothing with our userfaultfd: a page that is away
 * would read as zeroes there.  So before a fork the gate closes, moves under
 * way end, and every page comes home; it opens again in the parent.  In the
 * child the context is dead, and all memory its own.
 */
#include <errno.h>

#include "core/fixed.h"

#define GATE_CLOSED  (UINT32_C(1) << 31)
#define POOL_DEFAULT (UINT64_C(64) << 20)

static struct sys_mutex contexts_lock;
static struct uhmm *contexts;

const struct sys_log *uhmm_log(struct uhmm *u)
{
	return &u->log;
}

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

/* ---- Fork ------------------------------------------------------------- */

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

static void fork_prepare(void)
{
	sys_mutex_lock(&contexts_lock);
	for (struct uhmm *u = contexts; u; u = u->next) {
		gate_close(u);
		if (atomic_load(&u->on_device) || atomic_load(&u->frozen) ||
		    atomic_load(&u->mirrors.count))
			rescue_on_own_stack(u);
	}
}

static void fork_parent(void)
{
	for (struct uhmm *u = contexts; u; u = u->next)
		gate_open(u);
	sys_mutex_unlock(&contexts_lock);
}

static void fork_child(void)
{
	for (struct uhmm *u = contexts; u; u = u->next) {
		atomic_store(&u->dead, true);
		u->mm->ops->child(u->mm);
		sys_close(u->requests.fd);
		serve_child(u);
	}
	contexts = NULL;
	sys_mutex_unlock(&contexts_lock);
}

static int enlist(struct uhmm *u)
{
	static bool hooked;
	int err = 0;

	sys_mutex_lock(&contexts_lock);
	if (!hooked)
		err = sys_atfork(fork_prepare, fork_parent, fork_child);
	hooked = hooked || !err;
	if (!err) {
		u->next = contexts;
		contexts = u;
	}
	sys_mutex_unlock(&contexts_lock);
	return err;
}

static void delist(struct uhmm *u)
{
	struct uhmm **p = &contexts;

	sys_mutex_lock(&contexts_lock);
	while (*p && *p != u)
		p = &(*p)->next;
	if (*p)
		*p = u->next;
	sys_mutex_unlock(&contexts_lock);
}

/* ---- Open ------------------------------------------------------------- */

static int check_params(const struct uhmm_params *p)
{
	const uint32_t flags = UHMM_OPEN_NO_RECYCLE | UHMM_OPEN_STAT;

	if (p->fault_mode > UHMM_FAULTS_INLINE || p->flags & ~flags)
		return -EINVAL;
	if (p->charge > UHMM_CHARGE_KEEP || p->nr_threads > 1024)
		return -EINVAL;
	if (p->ram_limit == UHMM_RAM_LIMIT_CGROUP)
		return 0;
	return p->ram_limit % MM_PAGE_SIZE ? -EINVAL : 0;
}

static int init_memory(struct uhmm *u)
{
	u->block_slab.size = (sizeof(struct block) + 63) & ~(size_t)63;
	u->table_slab.size = MM_BLOCK_PAGES * sizeof(uint64_t);
	u->fixed.slab.size = fixed_size();
	u->regions.slab.size = sizeof(struct region);
	u->regions.seed = (uintptr_t)u;
	u->index = sys_alloc(sizeof(*u->index));
	u->blocks = sys_alloc(MAX_BLOCKS * sizeof(*u->blocks));
	return u->index && u->blocks ? home_init(u) : -ENOMEM;
}

static int open_mm(struct uhmm *u, const struct uhmm_params *p,
		   mm_open_fn *open)
{
	struct mm_params mp = {
		.fault_mode = p->fault_mode,
		.nr_threads = p->nr_threads,
		.nr_slots = MAX_SLOTS,
		.features_off = p->features_off,
		.client = &u->client,
	};

	u->client = (struct mm_client){ .priv = u,
					.fault = core_fault,
					.tracked = core_tracked,
					.discard = core_discard,
					.unmap = core_unmap,
					.remap = core_remap };
	return open(&mp, &u->mm);
}

/*
 * Inline, a thread cannot begin while memory that it needs for that is away:
 * glibc blocks SIGBUS meanwhile.  So all there may be are there before.
 */
static int start_threads(struct uhmm *u)
{
	int err = request_start_worker(u);

	if (!err)
		err = policy_start(u);
	return err ? err : watchdog_start(u);
}

static int init_parts(struct uhmm *u, const struct uhmm_params *p,
		      mm_open_fn *open)
{
	uint64_t pool = p->pool_limit ? p->pool_limit : POOL_DEFAULT;
	int err = init_memory(u);

	charge_init(u, p->charge == UHMM_CHARGE_KEEP);
	if (!err)
		err = open_mm(u, p, open);
	if (!err)
		err = slot_init(u, pool >> MM_PAGE_SHIFT);
	if (!err)
		err = request_init(u);
	if (!err)
		err = policy_init(u, p->ram_limit);
	if (!err)
		err = watchdog_init(u, p->watchdog_ms);
	if (!err && u->mm->threads_first)
		err = start_threads(u);
	return err ? err : enlist(u);
}

static void free_index(struct uhmm *u)
{
	for (unsigned i = 0; u->index && i < INDEX_SIZE; i++)
		sys_free(atomic_load(&u->index->leaf[i]),
			 sizeof(struct index_leaf));
	sys_free(u->index, sizeof(*u->index));
	sys_free(u->blocks, MAX_BLOCKS * sizeof(*u->blocks));
}

/* Also of a context that was opened by half. */
static void destroy(struct uhmm *u)
{
	serve_stop(u);
	policy_stop(u);
	request_stop(u);
	mirror_destroy(u);
	watchdog_no_relief(u);
	if (u->mm)
		u->mm->ops->close(u->mm);
	device_retire_all(u);
	watchdog_stop(u); /* until here it may look at any of them */
	device_free_all(u);
	policy_destroy(u);
	charge_destroy(u);
	request_destroy(u);
	slot_destroy(u);
	home_destroy(u);
	region_destroy(u);
	fixed_destroy(u);
	slab_destroy(&u->block_slab);
	slab_destroy(&u->table_slab);
	free_index(u);
	sys_free(u, sizeof(*u));
}

int core_open(const struct uhmm_params *params, mm_open_fn *open,
	      struct uhmm **ret_u)
{
	struct uhmm_params p = { .size = sizeof(p) };
	struct uhmm *u;
	int err = 0;

	if (params)
		err = copy_struct(&p, sizeof(p), params, params->size);
	if (!err)
		err = ret_u ? check_params(&p) : -EINVAL;
	if (err)
		return err;
	if (p.ram_limit == UHMM_RAM_LIMIT_CGROUP)
		p.ram_limit = uhmm_cgroup_limit();
	u = sys_alloc(sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->flags = p.flags;
	serve_init(u);
	err = init_parts(u, &p, open);
	if (err) {
		destroy(u);
		return err;
	}
	if (u->flags & UHMM_OPEN_STAT)
		serve_start(u);
	*ret_u = u;
	return 0;
}

/* ---- Close ------------------------------------------------------------ */

int uhmm_close(struct uhmm *u)
{
	struct request close = { .op = REQ_CLOSE };
	int64_t err;

	if (!u)
		return 0;
	if (atomic_load(&u->dead))
		return -ENODEV;
	if (device_in_callback())
		return -EDEADLK;
	serve_stop(u);
	watchdog_closing(u);
	policy_stop(u);
	request_drain(u);
	err = request_run(u, &close);
	delist(u);
	destroy(u);
	return (int)err;
}
