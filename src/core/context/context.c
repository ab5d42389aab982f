/* SPDX-License-Identifier: MIT */
/*
 * context.c - a context from open to close.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/fixed.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/log.h"
#include "core/context/rescue.h"
#include "core/context/structs.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/fault/fault.h"
#include "core/file/file.h"
#include "core/fork/fork.h"
#include "core/hotplug/hotplug.h"
#include "core/limit/demote.h"
#include "core/mirror/mirror_api.h"
#include "core/move/home.h"
#include "core/move/range.h"
#include "core/move/unchanged.h"
#include "core/notify/notify.h"
#include "core/object/object.h"
#include "core/page/block.h"
#include "core/page/region.h"
#include "core/page/slab.h"
#include "core/page/slot.h"
#include "core/report/stat_socket.h"
#include "sys/fds.h"

#define POOL_DEFAULT (UINT64_C(64) << 20)

const struct sys_log *uhmm_log(struct uhmm *u)
{
	return &u->log;
}

bool context_is_dead(const struct uhmm *u)
{
	return atomic_load(&u->dead) || !sys_is_marked_process();
}

/* ---- Open ------------------------------------------------------------- */

static int check_params(const struct uhmm_params *p)
{
	const uint32_t flags = UHMM_OPEN_NO_RECYCLE | UHMM_OPEN_STAT |
			       UHMM_OPEN_FORK | UHMM_OPEN_RESCUE |
			       UHMM_OPEN_LIMIT_ALL | UHMM_OPEN_LIMIT_PROCESS;

	if (p->fault_mode > UHMM_FAULTS_INLINE || p->flags & ~flags)
		return -EINVAL;
	if (p->charge > UHMM_CHARGE_KEEP || p->nr_threads > 1024)
		return -EINVAL;
	if (p->budget && (p->ram_limit || p->charge == UHMM_CHARGE_KEEP))
		return -EINVAL;
	if (p->ram_limit == UHMM_RAM_LIMIT_CGROUP)
		return 0;
	return p->ram_limit % MM_PAGE_SIZE ? -EINVAL : 0;
}

static void rank_locks(struct uhmm *u)
{
	sys_mutex_set_rank(&u->objects.lock, RANK_OBJECTS);
	sys_mutex_set_rank(&u->files.lock, RANK_LEAF);
	sys_mutex_set_rank(&u->regions.lock, RANK_REGIONS);
	sys_mutex_set_rank(&u->charge.lock, RANK_CHARGE);
	sys_mutex_set_rank(&u->dropped.lock, RANK_LEAF);
	sys_mutex_set_rank(&u->sites_lock, RANK_SITES);
	sys_mutex_set_rank(&u->devices_lock, RANK_DEVICES);
	sys_mutex_set_rank(&u->block_slab.lock, RANK_LEAF);
	sys_mutex_set_rank(&u->table_slab.lock, RANK_LEAF);
	sys_mutex_set_rank(&u->fixed.slab.lock, RANK_LEAF);
	sys_mutex_set_rank(&u->regions.slab.lock, RANK_LEAF);
	for (unsigned i = 0; i < NR_BIRTHS; i++)
		sys_mutex_set_rank(&u->births[i], RANK_BIRTH);
}

static int init_memory(struct uhmm *u)
{
	rank_locks(u);
	announce_init(u);
	u->block_slab.size = (sizeof(struct block) + 63) & ~(size_t)63;
	u->table_slab.size = MM_BLOCK_PAGES * sizeof(uint64_t);
	twin_init(u->twin_slabs);
	u->fixed.slab.size = fixed_size();
	u->regions.slab.size = sizeof(struct region);
	u->regions.seed = (uintptr_t)u;
	u->index = sys_alloc(sizeof(*u->index));
	u->blocks = sys_alloc(MAX_BLOCKS * sizeof(*u->blocks));
	return u->index && u->blocks ? home_init(u) : -ENOMEM;
}

static void serves(void *priv)
{
	(void)priv;
	region_reader();
}

static int open_mm(struct uhmm *u, const struct uhmm_params *p,
		   mm_open_fn *open)
{
	struct mm_params mp = {
		.fault_mode = p->fault_mode,
		.nr_threads = p->nr_threads,
		.nr_slots = u->slots.nr,
		.features_off = p->features_off,
		.client = &u->client,
		.inherits = u->fork.fd >= 0,
		.inherited = u->fork.fd,
	};

	u->client = (struct mm_client){ .priv = u,
					.fault = core_fault,
					.serves = serves,
					.tracked = core_tracked,
					.discard = core_discard,
					.unmap = core_unmap,
					.remap = core_remap,
					.forked = core_forked,
					.is_childless = file_is_childless,
					.is_announced = announce_has,
					.waits = &u->waits };
	return open(&mp, &u->mm);
}

/*
 * In inline mode a thread cannot start while memory that its start touches is
 * away, because glibc blocks SIGBUS meanwhile.  So all threads are started
 * before any page moves.
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

	u->slots.nr = slot_most();
	u->lose_device = do_lost;
	u->free_twins = unchanged_free;
	u->look_at_objects = object_look_round;
	charge_init(u, p->charge == UHMM_CHARGE_KEEP);
	if (!err)
		err = open_mm(u, p, open);
	if (!err)
		err = slot_init(u, pool >> MM_PAGE_SHIFT);
	if (!err)
		err = request_init(u);
	if (!err)
		err = policy_init(u, p->ram_limit, p->budget);
	if (!err)
		err = watchdog_init(u, p->watchdog_ms);
	if (!err && u->mm->threads_first)
		err = start_threads(u);
	if (!err)
		err = rescue_start(u);
	return err ? err : fork_enlist(u);
}

static void free_index(struct uhmm *u)
{
	for (unsigned i = 0; u->index && i < INDEX_SIZE; i++)
		sys_free(atomic_load(&u->index->leaf[i]),
			 sizeof(struct index_leaf));
	sys_free(u->index, sizeof(*u->index));
	sys_free(u->blocks, MAX_BLOCKS * sizeof(*u->blocks));
}

/* Also called for a context that could be opened only in part. */
static void destroy(struct uhmm *u)
{
	rescue_stop(u);
	serve_stop(u);
	policy_stop(u);
	request_stop(u);
	mirror_destroy(u);
	watchdog_no_relief(u);
	if (u->mm)
		u->mm->ops->close(u->mm);
	device_retire_all(u);
	watchdog_stop(u); /* until here it may look at any device */
	device_free_all(u);
	policy_destroy(u);
	charge_destroy(u);
	request_destroy(u);
	slot_destroy(u);
	home_destroy(u);
	region_destroy(u);
	fixed_destroy(u);
	object_free_all(u);
	announce_destroy(u);
	slab_destroy(&u->block_slab);
	slab_destroy(&u->table_slab);
	for (unsigned k = 0; k < TWIN_SIZES; k++)
		slab_destroy(&u->twin_slabs[k]);
	free_index(u);
	sys_free(u, sizeof(*u));
}

/* Runs before anything can fail, because destroy() reads these parameters. */
static void note_params(struct uhmm *u, const struct uhmm_params *p, int fd)
{
	const char *off = p->features_off;

	u->flags = p->flags;
	if (u->flags & UHMM_OPEN_LIMIT_PROCESS)
		u->flags |= UHMM_OPEN_LIMIT_ALL;
	u->fork.fd = fd;
	u->fork.params = *p;
	u->fork.params.features_off = off ? u->fork.features_off : NULL;
	if (!off)
		return;
	/* A list that was cut off could end in an unknown feature. */
	if (sys_format(u->fork.features_off, sizeof(u->fork.features_off), "%s",
		       off) +
		    1 ==
	    sizeof(u->fork.features_off))
		u->flags &= ~(uint32_t)UHMM_OPEN_FORK;
}

static int open_with(const struct uhmm_params *p, mm_open_fn *open, int fd,
		     const struct sys_log *log, struct uhmm **ret_u)
{
	struct uhmm *u = sys_alloc(sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	note_params(u, p, fd);
	atomic_store(&u->policy.bell, &u->policy.kick);
	if (log)
		u->log = *log;
	serve_init(u);
	err = init_parts(u, p, open);
	if (err) {
		destroy(u);
		return err;
	}
	if (u->flags & UHMM_OPEN_STAT)
		serve_start(u);
	err = sys_fds_hold();
	if (err) {
		fork_delist(u);
		destroy(u);
		return err;
	}
	*ret_u = u;
	return 0;
}

int core_reopen(struct uhmm *old, int fd, struct uhmm **ret_u)
{
	struct uhmm_params p = old->fork.params;

	p.ram_limit = (p.budget ? charge_pages(&old->charge.root, 0) :
				  charge_asked(&old->charge.root))
		      << MM_PAGE_SHIFT;
	return open_with(&p, mm_uffd_open, fd, &old->log, ret_u);
}

int core_open(const struct uhmm_params *params, mm_open_fn *open,
	      struct uhmm **ret_u)
{
	struct uhmm_params p = { .size = sizeof(p) };
	int err = 0;

	if (params)
		err = copy_struct(&p, sizeof(p), params, params->size);
	if (!err)
		err = ret_u ? check_params(&p) : -EINVAL;
	if (err)
		return err;
	if (p.ram_limit == UHMM_RAM_LIMIT_CGROUP)
		p.ram_limit = uhmm_cgroup_limit();
	return open_with(&p, open, -1, NULL, ret_u);
}

/* ---- Close ------------------------------------------------------------ */

int uhmm_close(struct uhmm *u)
{
	struct request close = { .op = REQ_CLOSE };
	const char *was;
	int64_t err;

	if (!u)
		return 0;
	if (context_is_dead(u))
		return -ENODEV;
	if (device_in_callback())
		return -EDEADLK;
	was = sys_call_rename("uhmm_close()");
	rescue_stop(u);
	serve_stop(u);
	watchdog_closing(u);
	policy_stop(u);
	request_drain(u);
	err = request_run(u, &close);
	fork_delist(u);
	destroy(u);
	sys_call_rename(was);
	return (int)err;
}
