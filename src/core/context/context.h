/* SPDX-License-Identifier: MIT */
/*
 * context.h - all that one context has, and the rules of locks and moves.
 *
 * DOC: Locks
 *
 * In this order; a thread that holds a later one must not take an earlier one:
 *
 *	syncing		one a file that is mapped: one write-back at a time
 *	gate		shared by all movers; exclusive around fork
 *	objects		the list of objects; held over events and block locks
 *	mover		one a block: the right to take pages from it.  Held over
 *			copies
 *	sites		devices that are sites come and go, one at a time
 *	(keeper)	the backend's: one mapping moves at a time
 *	(event)		the backend's: events are applied one at a time
 *	charge		the tree of groups, and which one a block is of
 *	mirror		one a mirror: held over its callbacks (mirror.h)
 *	regions		writers of the region tree; readers need none (RCU)
 *	block		one a block: its table.  Never held over a callback
 *	birth		as a block's lock, where there is no block yet
 *	slot, pagemap, slab: leaves, held for a few instructions
 *	devices		adding and removing; held over stored(), which only says
 *			a number, so that the device stays meanwhile
 *	device		only around callbacks of a provider that wants it;
 *			nothing else is taken under it
 *
 * No lock is ever held on a stack that is itself managed: public calls made
 * on such a stack are run by the worker (dispatch.c).  So a holder never waits
 * for a fault, and faults may take any lock but mover and gate.
 *
 * DOC: Moves
 *
 * A page under way has a state that names its mover (P_LEAVING, P_STASHING,
 * P_CLEARING: the holder of the block's mover lock; P_COMING: the thread that
 * set the state).  Copies run without the block's lock.  Afterwards the mover
 * looks again.  If the word is as the mover left it, the page goes on;
 * otherwise the CPU or the application was faster and wins.  A word cannot
 * change and change back in between: the mover owns the dpfn or the frame.
 */
#ifndef UHMM_CONTEXT_CONTEXT_H
#define UHMM_CONTEXT_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/coherent/coherent.h"
#include "core/context/dispatch.h"
#include "core/context/hist.h"
#include "core/context/rescue.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fork/fork.h"
#include "core/limit/demote.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/digest.h"
#include "core/page/dropped.h"
#include "core/page/region.h"
#include "core/page/slab.h"
#include "core/page/slot.h"
#include "core/page/twin.h"
#include "core/report/stat_socket.h"
#include "mm/mm.h"
#include "sys/lock.h"
#include "sys/sys.h"
#include "sys/waits.h"

/* Shared memory of the library's own; see core/object. */
struct objects {
	struct sys_mutex lock;
	struct uhmm_object *first;
	_Atomic uint32_t nr;
};

/* Files that are mapped; see core/file. */
struct files {
	struct sys_mutex lock;
	struct file_map *first;
	unsigned count; /* that were ever mapped */
};

struct uhmm {
	struct mm *mm;
	struct uhmm *heir; /* of @dead: inherit.c */
	struct mm_client client;
	uint32_t flags;
	_Atomic bool dead; /* this is the child of a fork */
	struct sys_log log;
	struct index *index;
	struct slab block_slab, table_slab, twin_slabs[TWIN_SIZES];
	struct digest_key digest_key;	    /* made under @devices_lock */
	struct sys_mutex blocks_lock;	    /* adding to @blocks */
	struct sys_mutex births[NR_BIRTHS]; /* see block_birth_mutex() */
	struct block **blocks;
	_Atomic uint32_t nr_blocks;
	struct region_tree regions;
	struct slot_pool slots;
	struct bounce bounce;
	struct sys_mutex devices_lock;
	_Atomic(struct uhmm_device *) devices[MAX_DEVICES];
	struct uhmm_device *removed; /* list; freed at close */
	struct sys_mutex sites_lock; /* devices that are sites come and go */
	_Atomic uint32_t nr_sites, nr_kmods; /* of them the kernel module's */
	_Atomic int64_t ram;		     /* pages */
	_Atomic int64_t ram_peak;
	_Atomic int64_t device_ram;  /* bytes: see device_note_ram() */
	_Atomic uint64_t total_peak; /* pages: see charge_total() */
	_Atomic int64_t on_device, frozen, kept;
	struct mirrors mirrors;
	struct carried carried;
	struct fixed_list fixed;
	struct objects objects;
	struct files files;
	_Atomic int64_t coherent_runs; /* mappings of device memory */
	struct requests requests;
	struct policy policy;
	struct room room;
	struct dropped dropped;
	struct charge charge;
	pay_fn *pay;				     /* charge_flush() */
	free_twins_fn *free_twins;		     /* unchanged_free() */
	int (*lose_device)(struct uhmm_device *dev); /* do_lost() */
	bool (*look_at_objects)(struct uhmm *u);     /* object_look_round() */
	struct serve serve;
	struct watchdog watchdog;
	struct sys_waits waits;
	struct counters count;
	struct hist fault_ns;
	struct rescue rescue;
	_Atomic uint32_t gate; /* movers at work; fork.c */
	struct uhmm *next;     /* all contexts, for fork */
	struct fork fork;
};

/* context.c */
typedef int mm_open_fn(const struct mm_params *params, struct mm **ret_mm);
int core_open(const struct uhmm_params *params, mm_open_fn *open,
	      struct uhmm **ret_u);
/* Was @u opened by another process, of which this one is a forked child? */
bool context_is_dead(const struct uhmm *u);

#endif
