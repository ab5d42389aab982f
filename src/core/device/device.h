/* SPDX-License-Identifier: MIT */
/*
 * device.h - device memory as the core sees it: its pages, calls into its
 * provider.
 */
#ifndef UHMM_DEVICE_DEVICE_H
#define UHMM_DEVICE_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/provider.h>

#include "core/device/callback.h"
#include "mm/set.h"
#include "sys/lock.h"
#include "sys/sys.h"

struct block;
struct uhmm;
struct uhmm_group;

#define MAX_DEVICES 256 /* number 0 is RAM */

/* ---- Device pages (pagemap.c) ---- */

/*
 * @runs: long runs come first (UHMM_DEVICE_RUNS)
 * @next: @runs: the page where the next run is looked for
 */
struct pagemap {
	struct sys_mutex lock;
	bool runs;
	uint64_t *used; /* a bit a page */
	uint64_t npages;
	uint64_t cursor; /* no word before it has a free page */
	uint64_t next;
	_Atomic uint64_t nused;
	_Atomic bool closed; /* hand out no more pages */
	uint64_t *bad;	     /* like @used; NULL: no page is bad */
	_Atomic uint64_t nbad;
	_Atomic uint64_t nbad_free; /* bad pages that are not handed out */
};

/* ---- Devices (device.c) ---- */

/*
 * Pages that a device did not take (refuse.c).  Hints: used without a lock.
 * @until: ns; until then the demoter passes over the device; 0: it does not
 * @pause: ns, the last pause
 * @used: device pages in use when the pause began
 * @in_row: pages that were refused since one was taken
 * @full_at: device pages in use when the device was full last
 * @full_until: ns; until then as many pages count as its capacity; 0: none do
 */
struct refusal {
	_Atomic uint64_t until, pause, used;
	_Atomic uint64_t full_at, full_until;
	_Atomic uint32_t in_row;
};

/*
 * @is_lost: uhmm_device_lost() was called; never cleared
 * @is_retiring: the device's number and provider are being given up
 * @is_released: release() was called
 * @is_stuck: the watchdog has reported a call that goes on
 * @has_orphans: see coherent.c
 * @stored: bytes stored, as the provider said last
 * @ram: bytes of the machine's RAM that the device takes, as the provider said
 * last
 * @ended: futex; calls that ended since @is_lost or @is_retiring was set
 * @holds: calls of call_hold() without call_drop(): the number stays
 * @longest: ns; of calls that the watchdog reported
 */
struct uhmm_device {
	struct uhmm *u;
	struct uhmm_device *next; /* of removed devices */
	unsigned id;
	struct uhmm_device_desc desc;
	struct uhmm_device_ops ops;
	void *priv;
	struct sys_mutex lock; /* unless UHMM_DEVICE_CONCURRENT */
	_Atomic int64_t fixed; /* pages of fixed mappings */
	_Atomic int64_t twins; /* device pages of pages in RAM: twin.c */
	struct pagemap pagemap;
	bool is_file;		 /* a file that is mapped: core/file */
	_Atomic uint64_t bound;	 /* is_file: pages it has; as last seen */
	bool is_site;		 /* by sites_lock: attached, see site.c */
	int site;		 /* of struct mm_sites */
	_Atomic uint64_t came;	 /* mm_kmod_ops.came() of the last look */
	_Atomic bool has_strays; /* may have strays: see site.c */
	_Atomic bool watched;	 /* CPU mappings of it raise events */
	_Atomic bool tier;	 /* pages may be demoted there */
	_Atomic uint64_t pages_in, pages_out, errors;
	struct refusal refusal;
	_Atomic int told; /* the error that was logged last, negative */
	_Atomic uint64_t told_ns;
	char name[32];
	_Atomic bool is_lost, is_retiring, is_released, is_stuck, has_orphans;
	_Atomic uint32_t ended, holds;
	_Atomic uint64_t longest, stored, ram;
	struct call calls[NR_CALLS];
};

/* ---- The watchdog (watchdog.c) ---- */

/*
 * @threshold: ns until a call is stuck
 * @lock: held while a call is reported, so that its end is told afterwards
 * @relief: held while the backend is asked for a thread, if it @may_relieve
 * @closing: report stuck calls once more
 */
struct watchdog {
	struct sys_mutex lock, relief;
	struct sys_thread thread;
	uint64_t threshold;
	_Atomic uint32_t kick; /* futex */
	_Atomic bool running, stop, closing;
	bool may_relieve;
};

/* pagemap.c */
int pagemap_init(struct pagemap *pm, uint64_t npages);
/* Hands out up to @n pages, in runs as long as it can.  Return: how many. */
unsigned pagemap_alloc(struct pagemap *pm, unsigned n, uint64_t *ret);
void pagemap_free(struct pagemap *pm, uint64_t dpfn, unsigned n);
/* In a pagemap that hands out no pages: mark @dpfn as handed out. */
void pagemap_claim(struct pagemap *pm, uint64_t dpfn);
void pagemap_close(struct pagemap *pm, bool closed);
void pagemap_destroy(struct pagemap *pm);

/*
 * Never hand out these pages again.  -ENOMEM: no memory for the map of bad
 * pages.
 */
int pagemap_fail(struct pagemap *pm, uint64_t dpfn, uint64_t n);
bool pagemap_is_bad(struct pagemap *pm, uint64_t dpfn);
/* How many pages may still be handed out. */
uint64_t pagemap_room(const struct pagemap *pm);

/* Is the device a site (mm/sites.h): does the kernel move its pages? */
static inline bool device_is_site(const struct uhmm_device *dev)
{
	return dev->desc.flags & (UHMM_DEVICE_NODE | UHMM_DEVICE_KMOD);
}
/*
 * Is the device the kernel module's?  Then the kernel brings pages home by
 * itself as well.
 */
static inline bool device_is_kmod(const struct uhmm_device *dev)
{
	return dev->desc.flags & UHMM_DEVICE_KMOD;
}
/* Is the device memory that the program maps and that never migrates? */
static inline bool device_is_fixed(const struct uhmm_device *dev)
{
	return dev->desc.flags & UHMM_DEVICE_FIXED;
}
/* Is the device memory that the library maps for the CPU, by a file? */
static inline bool device_is_mapped(const struct uhmm_device *dev)
{
	return dev->desc.type == UHMM_MEMORY_DEVICE_COHERENT &&
	       !device_is_site(dev);
}

/*
 * device.c.  @va: address of the first page, for messages; -ENODEV: device lost
 */
struct uhmm_device *device_get(struct uhmm *u, unsigned id);
/* The device with the next number above @id, or NULL. */
struct uhmm_device *device_after(struct uhmm *u, unsigned id);
#define device_for_each(u, dev)                                         \
	for (struct uhmm_device *dev = device_after(u, 0); dev != NULL; \
	     dev = device_after(u, dev->id))
int device_copy_in(struct uhmm_device *dev, const struct uhmm_segment *seg,
		   size_t nr, uintptr_t va);
int device_copy_out(struct uhmm_device *dev, const struct uhmm_segment *seg,
		    size_t nr, uintptr_t va);
/*
 * A move out ended: the device took @took pages and refused @refused.  @full:
 * for want of room.
 */
void device_answered(struct uhmm_device *dev, unsigned took, unsigned refused,
		     bool full);
/*
 * Was it full a moment ago, with free device pages, and would be again with the
 * pages of another block?
 */
bool device_was_full(const struct uhmm_device *dev);
/* May the demoter give it pages now? */
bool device_takes(const struct uhmm_device *dev);
/* May the demoter give pages to any device now? */
bool devices_take(struct uhmm *u);
/*
 * The limit of @g is passed.  Told once a context, if no device takes pages,
 * and not before there is one.
 */
void refusal_tell(struct uhmm *u, const struct uhmm_group *g);
/*
 * Ask the provider how much RAM the device takes.  Called within a call that
 * may have changed that.
 */
void device_note_ram(struct uhmm_device *dev);
/* Clear one page; tries up to @tries times, or until the device is lost. */
int device_clear_page(struct uhmm_device *dev, uint64_t dpfn, int tries);
int device_clear(struct uhmm_device *dev, const uint64_t *dpfn, unsigned n);
/*
 * An address where the CPU can read the pages until
 * device_direct_end(*@ret_call), or NULL.
 */
const void *device_direct(struct uhmm_device *dev, uint64_t dpfn, unsigned n,
			  struct call **ret_call);
void device_direct_end(struct uhmm_device *dev, struct call *c);
/* -EOPNOTSUPP: @dev cannot copy from @src. */
int device_copy_peer(struct uhmm_device *dev, struct uhmm_device *src,
		     const struct uhmm_peer_segment *seg, size_t nr,
		     uintptr_t va);
/* The end of the run of consecutive pages that begins at @i. */
unsigned dpfn_run_end(const uint64_t *dpfn, unsigned i, unsigned n);
/* Adds a page to the segments, growing the last one if it fits. */
unsigned segment_add(struct uhmm_segment *seg, unsigned nr, uint64_t dpfn,
		     void *ram);
/* -ENOSPC */
int device_take_number(struct uhmm_device *dev);
void device_give_number(struct uhmm_device *dev);
/* Release the provider; does so only once. */
void device_release(struct uhmm_device *dev);

/*
 * scrub.c: free device pages, cleared first if other processes could read them
 */
void device_free(struct uhmm_device *dev, const uint64_t *dpfn, unsigned n);
void device_free_run(struct uhmm_device *dev, uint64_t dpfn, unsigned n);
/* Free the device pages that @words name. */
void device_free_words(struct uhmm *u, const uint64_t *words, unsigned n);

static inline bool device_is_lost(const struct uhmm_device *dev)
{
	return atomic_load(&dev->is_lost);
}
/*
 * Are the data of device page @dpfn gone?  A thread asks this under the block's
 * lock after it has put the page into a word; the walk in lost.c finds words
 * that were set earlier.
 */
static inline bool device_has_lost(struct uhmm_device *dev, uint64_t dpfn)
{
	return device_is_lost(dev) || pagemap_is_bad(&dev->pagemap, dpfn);
}

/* watchdog.c.  @ms: until a call is stuck; 0: as the environment says */
int watchdog_init(struct uhmm *u, uint32_t ms);
int watchdog_start(struct uhmm *u);
void watchdog_stop(struct uhmm *u);
/* The context is being closed: report calls that the close waits for. */
void watchdog_closing(struct uhmm *u);
void watchdog_no_relief(struct uhmm *u);
void watchdog_ended(struct uhmm_device *dev, const struct call *c,
		    uint64_t start);
/*
 * A callback of mirror @id that was reported has ended; it began at @since, ns.
 */
void watchdog_mirror_ended(struct uhmm *u, unsigned id, uint64_t since);
/*
 * How many reported calls of @dev go on.  *@longest: ns; raised to the longest.
 */
unsigned watchdog_stuck(struct uhmm_device *dev, uint64_t *longest);

#endif
