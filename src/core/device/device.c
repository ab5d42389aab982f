/* SPDX-License-Identifier: MIT */
/*
 * device.c - devices of a context, and the one way to their callbacks, each of
 * which is a call of callback.c.
 */
#include <errno.h>
#include <string.h>

#include "core/coherent/fixed.h"
#include "core/coherent/node.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/device/said.h"
#include "core/limit/charge.h"
#include "core/limit/demote.h"
#include "core/mirror/mirrors.h"
#include "core/move/home.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "sys/fds.h"

struct uhmm_device *device_get(struct uhmm *u, unsigned id)
{
	return atomic_load_explicit(&u->devices[id], memory_order_acquire);
}

static uint64_t total(const struct uhmm_segment *seg, size_t nr)
{
	uint64_t n = 0;

	while (nr--)
		n += (seg++)->npages;
	return n;
}

#define TELL_AGAIN (UINT64_C(10) * 1000 * 1000 * 1000)

/* An error that comes again and again is told once in a while. */
static void tell_error(struct uhmm_device *dev, const char *what, int err)
{
	const char *why = said_text();
	uint64_t now = sys_now_ns();

	if (atomic_exchange(&dev->told, err) == err &&
	    now - atomic_load(&dev->told_ns) < TELL_AGAIN)
		return;
	atomic_store(&dev->told_ns, now);
	sys_logf(&dev->u->log, err == -ENOSPC ? SYS_INFO : SYS_WARN,
		 "device %s: %s failed: %s%s%s", dev->name, what, why,
		 *why ? ": " : "", sys_error(err));
}

/* After a call of @dev has ended.  May lose the device. */
static int note_error(struct uhmm_device *dev, const char *what, int err)
{
	if (!err)
		return 0;
	count_add(&dev->errors, 1);
	count_add(&dev->u->count.errors, 1);
	tell_error(dev, what, err);
	if (err == -ENODEV)
		do_lost(dev);
	return err < 0 ? err : -EIO;
}

/* The sum over all devices stays exact, whatever calls run at once. */
static void set_ram(struct uhmm_device *dev, uint64_t bytes)
{
	uint64_t old = atomic_exchange(&dev->ram, bytes);

	atomic_fetch_add(&dev->u->device_ram, (int64_t)(bytes - old));
}

void device_note_ram(struct uhmm_device *dev)
{
	struct uhmm_device_usage usage = { .size = sizeof(usage) };

	if (dev->ops.usage && !dev->ops.usage(dev->priv, &usage))
		set_ram(dev, usage.ram);
}

int device_copy_in(struct uhmm_device *dev, const struct uhmm_segment *seg,
		   size_t nr, uintptr_t va)
{
	struct call_what what = { CALL_IN, va, seg->dpfn, total(seg, nr) };
	struct call *c = call_begin(dev, &what);
	int err;

	if (!c)
		return -ENODEV;
	err = dev->ops.copy_to_devmem(dev->priv, seg, nr);
	device_note_ram(dev);
	if (!call_end(dev, c))
		return -ENODEV;
	if (!err)
		count_add(&dev->pages_in, what.npages);
	return note_error(dev, "copy to device", err);
}

int device_copy_out(struct uhmm_device *dev, const struct uhmm_segment *seg,
		    size_t nr, uintptr_t va)
{
	struct call_what what = { CALL_OUT, va, seg->dpfn, total(seg, nr) };
	struct call *c = call_begin(dev, &what);
	int err;

	if (!c)
		return -ENODEV;
	err = dev->ops.copy_to_ram(dev->priv, seg, nr);
	if (!call_end(dev, c))
		return -ENODEV;
	if (!err)
		count_add(&dev->pages_out, what.npages);
	return note_error(dev, "copy to RAM", err);
}

static uint64_t total_peer(const struct uhmm_peer_segment *seg, size_t nr)
{
	uint64_t n = 0;

	while (nr--)
		n += (seg++)->npages;
	return n;
}

/* What is read from a device that was lost meanwhile may be anything. */
int device_copy_peer(struct uhmm_device *dev, struct uhmm_device *src,
		     const struct uhmm_peer_segment *seg, size_t nr,
		     uintptr_t va)
{
	struct call_what what = { CALL_PEER, va, seg->dst,
				  total_peer(seg, nr) };
	struct call *c;
	int err;

	if (!dev->ops.copy_peer)
		return -EOPNOTSUPP;
	if (!call_hold(src))
		return -ENODEV;
	c = call_begin(dev, &what);
	err = -ENODEV;
	if (c && !device_is_lost(src))
		err = dev->ops.copy_peer(dev->priv, &src->desc, src->priv, seg,
					 nr);
	if (c)
		device_note_ram(dev);
	if (c && !call_end(dev, c))
		err = -ENODEV;
	if (device_is_lost(src))
		err = -ENODEV;
	call_drop(src);
	return err;
}

const void *device_direct(struct uhmm_device *dev, uint64_t dpfn, unsigned n,
			  struct call **ret_call)
{
	struct call_what what = { CALL_DIRECT, 0, dpfn, n };
	struct call *c;
	const void *p;

	if (!dev->ops.direct)
		return NULL;
	c = call_begin(dev, &what);
	if (!c)
		return NULL;
	p = dev->ops.direct(dev->priv, dpfn, n);
	if (p)
		*ret_call = c;
	else
		call_end(dev, c);
	return p;
}

void device_direct_end(struct uhmm_device *dev, struct call *c)
{
	call_end(dev, c);
}

unsigned dpfn_run_end(const uint64_t *dpfn, unsigned i, unsigned n)
{
	unsigned first = i;

	while (++i < n && dpfn[i] == dpfn[first] + (i - first))
		;
	return i;
}

static const _Alignas(4096) unsigned char zeroes[4096];

static int clear_by_copy(struct uhmm_device *dev, const uint64_t *dpfn,
			 unsigned n)
{
	int err = 0;

	for (unsigned i = 0; i < n && !err; i++) {
		struct uhmm_segment seg = { dpfn[i], (void *)zeroes, 1 };

		err = dev->ops.copy_to_devmem(dev->priv, &seg, 1);
	}
	return err;
}

int device_clear(struct uhmm_device *dev, const uint64_t *dpfn, unsigned n)
{
	struct call_what what = { CALL_CLEAR, 0, n ? dpfn[0] : 0, n };
	struct call *c;
	int err = 0;

	if (!n)
		return 0;
	c = call_begin(dev, &what);
	if (!c)
		return -ENODEV;
	if (!dev->ops.clear)
		err = clear_by_copy(dev, dpfn, n);
	for (unsigned i = 0; dev->ops.clear && i < n && !err;) {
		unsigned end = dpfn_run_end(dpfn, i, n);

		err = dev->ops.clear(dev->priv, dpfn[i], end - i);
		i = end;
	}
	device_note_ram(dev);
	if (!call_end(dev, c))
		return -ENODEV;
	return note_error(dev, "clear", err);
}

int device_clear_page(struct uhmm_device *dev, uint64_t dpfn, int tries)
{
	int err = -EIO;

	while (tries-- > 0 && err && !device_is_lost(dev))
		err = device_clear(dev, &dpfn, 1);
	return err;
}

unsigned segment_add(struct uhmm_segment *seg, unsigned nr, uint64_t dpfn,
		     void *ram)
{
	struct uhmm_segment *last = &seg[nr - 1];

	if (nr && last->dpfn + last->npages == dpfn &&
	    (char *)last->ram + last->npages * MM_PAGE_SIZE == (char *)ram) {
		last->npages++;
		return nr;
	}
	seg[nr] = (struct uhmm_segment){ dpfn, ram, 1 };
	return nr + 1;
}

/* ---- Adding and removing ---------------------------------------------- */

/*
 * Addressable or not, and migratable or not.  What is neither could hold
 * nothing that anyone can reach.
 */
static int check_kind(const struct uhmm_device_desc *d)
{
	const uint32_t known = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_NODE |
			       UHMM_DEVICE_FIXED | UHMM_DEVICE_SHARED |
			       UHMM_DEVICE_FORKS | UHMM_DEVICE_TELLS_WRITES;

	if (d->flags & ~known)
		return -EINVAL;
	switch (d->type) {
	case UHMM_MEMORY_DEVICE_PRIVATE:
		return d->flags & (UHMM_DEVICE_NODE | UHMM_DEVICE_FIXED) ?
			       -EINVAL :
			       0;
	case UHMM_MEMORY_DEVICE_COHERENT:
		if (d->flags & UHMM_DEVICE_NODE)
			return d->node < 0 || d->flags & UHMM_DEVICE_FIXED ?
				       -EINVAL :
				       0;
		return d->fd < 0 || d->offset % UHMM_PAGE_SIZE ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int check_desc(const struct uhmm_device_desc *d)
{
	const struct uhmm_device_ops *ops = d->ops;

	if (!d->name || !*d->name || !ops || !d->npages)
		return -EINVAL;
	if (d->npages >> DPFN_BITS)
		return -EINVAL;
	if (ops->size < sizeof(size_t) + 2 * sizeof(void (*)(void)))
		return -EINVAL;
	if (!(d->flags & UHMM_DEVICE_NODE) &&
	    (!ops->copy_to_devmem || !ops->copy_to_ram))
		return -EINVAL;
	return check_kind(d);
}

/* What the CPU is to map must be there. */
static int check_file(const struct uhmm_device *dev)
{
	const struct uhmm_device_desc *d = &dev->desc;
	struct mm *mm = dev->u->mm;

	if (d->type != UHMM_MEMORY_DEVICE_COHERENT ||
	    d->flags & UHMM_DEVICE_NODE || !mm->ops->can_place)
		return 0;
	return mm->ops->can_place(mm, d->fd, d->offset, d->npages);
}

static int device_init(struct uhmm_device *dev)
{
	int err = check_desc(&dev->desc);

	if (!err)
		err = check_file(dev);
	if (!err)
		err = copy_struct(&dev->ops, sizeof(dev->ops), dev->desc.ops,
				  dev->desc.ops->size);
	if (err)
		return err;
	sys_mutex_set_rank(&dev->lock, RANK_DEVICE);
	dev->tier = dev->desc.type == UHMM_MEMORY_DEVICE_PRIVATE;
	strncpy(dev->name, dev->desc.name, sizeof(dev->name) - 1);
	return pagemap_init(&dev->pagemap, dev->desc.npages);
}

/* Number 0 is RAM. */
int device_take_number(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;
	int err = -ENOSPC;

	sys_mutex_lock(&u->devices_lock);
	for (unsigned id = 1; id < MAX_DEVICES && err; id++) {
		if (u->devices[id])
			continue;
		dev->id = id;
		u->devices[id] = dev;
		err = 0;
	}
	sys_mutex_unlock(&u->devices_lock);
	return err;
}

static void give_number_back(struct uhmm_device *dev)
{
	sys_mutex_lock(&dev->u->devices_lock);
	dev->u->devices[dev->id] = NULL;
	sys_mutex_unlock(&dev->u->devices_lock);
}

static int attach(struct uhmm_device *dev)
{
	struct request req = { .op = REQ_ATTACH, .dev = dev };

	return device_is_node(dev) ? (int)request_run(dev->u, &req) :
				     device_take_number(dev);
}

int uhmm_device_add(struct uhmm *u, const struct uhmm_device_desc *desc,
		    void *priv, struct uhmm_device **ret_dev)
{
	struct uhmm_device *dev;
	int err;

	if (!u || !desc || !ret_dev)
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	dev = sys_alloc(sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->u = u;
	dev->priv = priv;
	err = copy_struct(&dev->desc, sizeof(dev->desc), desc, desc->size);
	if (!err)
		err = device_init(dev);
	if (!err)
		err = watchdog_start(u);
	if (!err)
		err = sys_fds_hold(); /* what the provider keeps */
	if (!err)
		err = attach(dev);
	if (err) {
		pagemap_destroy(&dev->pagemap);
		sys_free(dev, sizeof(*dev));
		return err;
	}
	*ret_dev = dev;
	policy_kick(u);
	return 0;
}

void device_release(struct uhmm_device *dev)
{
	if (atomic_exchange(&dev->is_released, true))
		return;
	if (dev->ops.release)
		dev->ops.release(dev->priv);
	set_ram(dev, 0);
}

/* Nothing is on it any more, or nobody will ask. */
static void device_destroy(struct uhmm_device *dev)
{
	charge_device_gone(dev->u, dev->id);
	atomic_store(&dev->is_retiring, true);
	call_wait(dev, 0);
	give_number_back(dev);
	device_release(dev);
	pagemap_destroy(&dev->pagemap);
}

/*
 * The demoter may have picked it as one with room a moment ago: it will find
 * it closed, so it must still be there.
 */
static void retire(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;

	device_destroy(dev);
	sys_mutex_lock(&u->devices_lock);
	dev->next = u->removed;
	u->removed = dev;
	sys_mutex_unlock(&u->devices_lock);
}

void device_retire_all(struct uhmm *u)
{
	for (unsigned id = 1; id < MAX_DEVICES; id++) {
		struct uhmm_device *dev = device_get(u, id);

		if (dev)
			retire(dev);
	}
}

void device_free_all(struct uhmm *u)
{
	struct uhmm_device *dev;

	while ((dev = u->removed)) {
		u->removed = dev->next;
		sys_free(dev, sizeof(*dev));
	}
}

static bool has_pages(struct uhmm_device *dev, struct block *b)
{
	bool any = false;

	block_lock(b);
	for (unsigned i = 0; b->table && !any && i < MM_BLOCK_PAGES; i++) {
		enum page_state s = page_state(b->table[i]);

		any = (s == P_DEVICE || s == P_COHERENT || s == P_COMING ||
		       s == P_CLEAN) &&
		      page_dev(b->table[i]) == dev->id;
	}
	block_unlock(dev->u, b);
	return any;
}

/*
 * Pages that are home may not be free yet: a thread that brings a page home
 * wakes the toucher first and frees the device page then.  The kernel may not
 * run that thread for a while, but nothing else stops it.
 */
static void wait_for_frees(struct uhmm_device *dev)
{
	_Atomic uint32_t nobody = 0;
	struct uhmm *u = dev->u;

	for (uint32_t i = 0; i < atomic_load(&u->nr_blocks); i++)
		if (has_pages(dev, u->blocks[i]))
			return;
	for (int i = 0; i < 10000 && atomic_load(&dev->pagemap.nused) &&
			!device_is_lost(dev);
	     i++)
		if (i < 100)
			sys_yield();
		else
			sys_futex_wait(&nobody, 0, 1000 * 1000);
}

/* Until each call has returned, and with it what it kept. */
static void wait_for_loss(struct uhmm_device *dev)
{
	struct sys_wait w = { .all = &dev->u->waits,
			      .what = "calls and copies to end in",
			      .name = dev->name };

	for (;;) {
		lost_sweep(dev);
		call_wait(dev, 10 * 1000 * 1000);
		if (!atomic_load(&dev->pagemap.nused) && !call_any(dev))
			break;
		sys_wait_yield(&w);
	}
	sys_wait_end(&w);
}

int do_remove(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;

	pagemap_close(&dev->pagemap, true);
	for (uint32_t i = 0; i < atomic_load(&u->nr_blocks); i++) {
		/* moves that began before end here */
		block_take_mover(u, u->blocks[i]);
		sys_mutex_unlock(&u->blocks[i]->mover);
	}
	home_all(u, dev, HOME_MIGRATE);
	wait_for_frees(dev);
	if (device_is_lost(dev))
		wait_for_loss(dev);
	if (atomic_load(&dev->pagemap.nused))
		return -EBUSY;
	fixed_device_gone(dev);
	mirror_device_gone(dev);
	node_detach(dev);
	retire(dev);
	return 0;
}

int uhmm_device_tier(struct uhmm_device *dev, bool on)
{
	if (!dev || dev->desc.flags & UHMM_DEVICE_FIXED)
		return -EINVAL;
	if (context_is_dead(dev->u))
		return -ENODEV;
	atomic_store(&dev->tier, on);
	policy_kick(dev->u);
	return 0;
}

int uhmm_device_remove(struct uhmm_device *dev)
{
	struct request req = { .op = REQ_REMOVE, .dev = dev };

	return dev ? (int)request_run(dev->u, &req) : 0;
}

/* If a call is stuck this does not wait: what the provider said last. */
static uint64_t stored(struct uhmm_device *dev)
{
	struct call_what what = { .op = CALL_STORED };
	struct call *c = call_begin(dev, &what);

	if (c) {
		atomic_store(&dev->stored, dev->ops.stored(dev->priv));
		call_end(dev, c);
	}
	return device_is_lost(dev) ? 0 : atomic_load(&dev->stored);
}

void *uhmm_device_priv(struct uhmm_device *dev,
		       const struct uhmm_device_ops *ops)
{
	if (!dev || !ops || dev->desc.ops != ops || device_is_lost(dev))
		return NULL;
	return dev->priv;
}

int uhmm_device_query(struct uhmm_device *dev, struct uhmm_device_info *info)
{
	struct uhmm_device_info i = { .size = sizeof(i) };
	int err;

	if (!dev || !info)
		return -EINVAL;
	if (context_is_dead(dev->u))
		return -ENODEV;
	err = check_struct(info, sizeof(i), info->size);
	if (err)
		return err;
	i.id = dev->id;
	i.flags = dev->desc.flags;
	i.npages = dev->desc.npages;
	i.used = atomic_load(&dev->pagemap.nused) +
		 (uint64_t)atomic_load(&dev->fixed);
	i.failed = atomic_load(&dev->pagemap.nbad);
	i.longest_ns = atomic_load(&dev->longest);
	i.stuck = watchdog_stuck(dev, &i.longest_ns);
	i.lost = device_is_lost(dev);
	i.pages_in = atomic_load(&dev->pages_in);
	i.pages_out = atomic_load(&dev->pages_out);
	i.errors = atomic_load(&dev->errors);
	memcpy(i.name, dev->name, sizeof(i.name));
	if (dev->ops.stored)
		i.stored_bytes = stored(dev);
	i.size = info->size;
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
