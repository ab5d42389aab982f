/* SPDX-License-Identifier: MIT */
/*
 * scrub.c - device pages that have no use any more.
 *
 * Where other processes may read the memory afterwards (UHMM_DEVICE_SHARED), a
 * page is cleared before it can be handed out again.  It is cleared after its
 * data are home and the faulting threads were woken.  All freed device pages
 * pass here, at removal and close too.  A page that cannot be cleared is never
 * handed out again.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/page/page.h"

#define SCRUB_TRIES 3
#define SCRUB_PAGES 64 /* at once */

static void give_up_scrub(struct uhmm_device *dev, uint64_t dpfn)
{
	if (pagemap_fail(&dev->pagemap, dpfn, 1))
		return;
	sys_logf(&dev->u->log, SYS_ERR,
		 "device %s: page %ju cannot be cleared, and is given up",
		 dev->name, (uintmax_t)dpfn);
}

/*
 * Return: whether the page may be handed out again.  If there is no memory to
 * note it as bad, it stays taken.
 */
static bool scrub_page(struct uhmm_device *dev, uint64_t dpfn)
{
	int err = device_clear_page(dev, dpfn, SCRUB_TRIES);

	if (err && !device_is_lost(dev))
		give_up_scrub(dev, dpfn);
	return !err || device_has_lost(dev, dpfn);
}

static void put_run(struct uhmm_device *dev, uint64_t dpfn, unsigned n)
{
	struct call_what what = { CALL_FREE, 0, dpfn, n };
	struct call *c = dev->ops.page_free ? call_begin(dev, &what) : NULL;

	if (c) {
		dev->ops.page_free(dev->priv, dpfn, n);
		device_note_ram(dev);
		call_end(dev, c);
	}
	pagemap_free(&dev->pagemap, dpfn, n);
}

static void scrub_run(struct uhmm_device *dev, uint64_t dpfn, unsigned n)
{
	uint64_t list[SCRUB_PAGES];

	for (unsigned i = 0; i < n; i++)
		list[i] = dpfn + i;
	if (!device_clear(dev, list, n)) {
		put_run(dev, dpfn, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (scrub_page(dev, list[i]))
			put_run(dev, list[i], 1);
}

/* The pages of a file stay in it. */
void device_free_run(struct uhmm_device *dev, uint64_t dpfn, unsigned n)
{
	if (dev->is_file)
		return;
	if (!(dev->desc.flags & UHMM_DEVICE_SHARED)) {
		put_run(dev, dpfn, n);
		return;
	}
	while (n) {
		unsigned now = n < SCRUB_PAGES ? n : SCRUB_PAGES;

		scrub_run(dev, dpfn, now);
		dpfn += now;
		n -= now;
	}
}

void device_free(struct uhmm_device *dev, const uint64_t *dpfn, unsigned n)
{
	for (unsigned i = 0; i < n;) {
		unsigned end = dpfn_run_end(dpfn, i, n);

		device_free_run(dev, dpfn[i], end - i);
		i = end;
	}
}

void device_free_words(struct uhmm *u, const uint64_t *words, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		device_free_run(device_get(u, page_dev(words[k])),
				page_dpfn(words[k]), 1);
}
