/* SPDX-License-Identifier: MIT */
/*
 * device.c - the one way to the callbacks of a device's provider, each of which
 * is a call of callback.c.
 */
#include <errno.h>
#include <string.h>

#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/device/said.h"

struct uhmm_device *device_get(struct uhmm *u, unsigned id)
{
	return atomic_load_explicit(&u->devices[id], memory_order_acquire);
}

struct uhmm_device *device_after(struct uhmm *u, unsigned id)
{
	struct uhmm_device *dev = NULL;

	while (!dev && ++id < MAX_DEVICES)
		dev = device_get(u, id);
	return dev;
}

static uint64_t total(const struct uhmm_segment *seg, size_t nr)
{
	uint64_t n = 0;

	while (nr--)
		n += (seg++)->npages;
	return n;
}

#define TELL_AGAIN (UINT64_C(10) * 1000 * 1000 * 1000)

/* Log an error; one that repeats is logged only from time to time. */
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
		dev->u->lose_device(dev); /* a hook: do_lost() is above */
	return err < 0 ? err : -EIO;
}

/*
 * Set dev->ram, and keep the sum over all devices exact while calls run in
 * parallel.
 */
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

/* If @src was lost during the copy, the copied data are not valid: -ENODEV. */
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

static const _Alignas(MM_PAGE_SIZE) unsigned char zeroes[MM_PAGE_SIZE];

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

/* ---- Its number, and its provider -------------------------------------- */

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

void device_give_number(struct uhmm_device *dev)
{
	sys_mutex_lock(&dev->u->devices_lock);
	dev->u->devices[dev->id] = NULL;
	sys_mutex_unlock(&dev->u->devices_lock);
}

void device_release(struct uhmm_device *dev)
{
	if (atomic_exchange(&dev->is_released, true))
		return;
	if (dev->ops.release)
		dev->ops.release(dev->priv);
	set_ram(dev, 0);
}
