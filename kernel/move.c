// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * move.c - moves a run of pages.
 *
 * A page that the kernel does not isolate, or for which there is no room, stays
 * where it is with all its data.
 */
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "compat.h"
#include "device.h"
#include "move.h"

#define SELECT_RAM MIGRATE_VMA_SELECT_SYSTEM
#define SELECT_DEVICE \
	(MIGRATE_VMA_SELECT_DEVICE_PRIVATE | MIGRATE_VMA_SELECT_DEVICE_COHERENT)

/* A hole has no page: it becomes a device page of zeroes. */
static unsigned long copy_out(struct uhmmk_run *run, unsigned long src,
			      u8 *ret_why)
{
	struct page *from = migrate_pfn_to_page(src);
	struct page *to = uhmmk_page_get(run->pm);

	if (IS_ERR(to)) {
		*ret_why = PTR_ERR(to) == -ENOSPC ? UHMMK_FULL :
						    UHMMK_NO_MEMORY;
		return 0;
	}
	run->nr_got++;
	if (from)
		copy_highpage(uhmmk_page_store(to), from);
	else
		clear_highpage(uhmmk_page_store(to));
	uhmmk_page_stored(to);
	return migrate_pfn(page_to_pfn(to));
}

/* Note the last page that was asked for.  Other devices wait for a turn. */
static void note_wait(struct uhmmk_run *run, struct page *from, long err)
{
	struct uhmmk_device *d = uhmmk_page_device(from);

	if (err != -EAGAIN && (err != -EBUSY || run->is_asked))
		return;
	if (run->waits && run->waits != d)
		return;
	if (!run->waits)
		kref_get(&d->ref);
	run->waits = d;
	run->waits_for = page_to_pfn(from) - d->pm.pfn;
	run->is_asked = err == -EAGAIN;
}

static unsigned long copy_data(struct uhmmk_run *run, unsigned long i,
			       struct page *data, u8 *ret_why)
{
	struct page *to;

	to = alloc_page_vma(GFP_HIGHUSER_MOVABLE, run->args.vma,
			    run->args.start + i * PAGE_SIZE);
	if (to)
		return uhmmk_page_fill(to, data);
	*ret_why = UHMMK_NO_MEMORY;
	return 0;
}

static unsigned long copy_home(struct uhmmk_run *run, unsigned long i,
			       u8 *ret_why)
{
	struct page *from = migrate_pfn_to_page(run->src[i]), *data;
	unsigned long dst;

	if (!from) {
		*ret_why = UHMMK_STAYS;
		return 0;
	}
	data = uhmmk_page_hold(from);
	if (IS_ERR(data)) {
		note_wait(run, from, PTR_ERR(data));
		return 0;
	}
	dst = copy_data(run, i, data, ret_why);
	uhmmk_page_unhold(from);
	return dst;
}

static void copy(struct uhmmk_run *run, unsigned long i)
{
	unsigned long src = run->src[i];

	run->dst[i] = 0;
	run->why[i] = UHMMK_BUSY;
	if (!(src & MIGRATE_PFN_MIGRATE)) {
		if (!(src & MIGRATE_PFN_VALID))
			run->why[i] = UHMMK_STAYS;
		return;
	}
	run->dst[i] = run->is_home ? copy_home(run, i, &run->why[i]) :
				     copy_out(run, src, &run->why[i]);
	if (run->dst[i] && (src & MIGRATE_PFN_WRITE))
		run->dst[i] |= MIGRATE_PFN_WRITE;
}

/* The kernel has cleared MIGRATE again if a page could not move after all. */
static void judge(struct uhmmk_run *run)
{
	unsigned long i;

	run->nr_moved = 0;
	for (i = 0; i < run->npages; i++) {
		if (!run->dst[i] || !(run->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		run->why[i] = UHMMK_MOVED;
		run->nr_moved++;
	}
}

static void prepare(struct uhmmk_run *run, unsigned long start,
		    unsigned long end)
{
	run->npages = (end - start) >> PAGE_SHIFT;
	run->nr_got = 0;
	run->waits = NULL;
	run->is_asked = false;
	memset(run->src, 0, sizeof(run->src));
	memset(run->dst, 0, sizeof(run->dst));
	run->args = (struct migrate_vma){
		.vma = run->args.vma,
		.start = start,
		.end = end,
		.src = run->src,
		.dst = run->dst,
		.pgmap_owner = run->pm->pgmap.owner,
		.flags = run->is_home ? SELECT_DEVICE : SELECT_RAM,
	};
}

int uhmmk_run_move(struct uhmmk_run *run, struct mm_struct *mm,
		   unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = vma_lookup(mm, start);
	unsigned long i;
	int ret;

	if (!vma || !(vma->vm_flags & VM_READ))
		return -EINVAL;
	run->args.vma = vma;
	prepare(run, start,
		min3(end, vma->vm_end, start + UHMMK_RUN * PAGE_SIZE));
	ret = migrate_vma_setup(&run->args);
	if (ret)
		return ret;
	for (i = 0; i < run->npages; i++)
		copy(run, i);
	migrate_vma_pages(&run->args);
	judge(run);
	if (run->moved)
		run->moved(run);
	migrate_vma_finalize(&run->args);
	return 0;
}
EXPORT_SYMBOL_GPL(uhmmk_run_move);
