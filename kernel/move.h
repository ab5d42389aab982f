/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * move.h - pages of an address range move to a device, or home.
 *
 * A run is up to UHMMK_RUN pages of one mapping, which the kernel's
 * migrate_vma_*() take in three steps: setup takes the pages out of the page
 * tables, pages puts the new ones in their place, finalize shows them.
 */
#ifndef UHMMK_MOVE_H
#define UHMMK_MOVE_H

#include <linux/migrate.h>

#include "pagemap.h"

#define UHMMK_RUN 512

struct uhmmk_device;

struct uhmmk_run {
	struct uhmmk_pagemap *pm; /* the target */
	bool is_home;		  /* to RAM, from each device of the owner */
	/*
	 * After the step pages: the moved pages cannot be touched before this
	 * has returned.  May be NULL, and may sleep.
	 */
	void (*moved)(struct uhmmk_run *run);
	void *private;

	/* Results: the run is [args.start, args.end). */
	struct migrate_vma args;
	unsigned long npages, nr_moved;
	unsigned long nr_got; /* device pages that were taken */
	/*
	 * Page @waits_for of device @waits has to wait for its driver before it
	 * can come home; NULL: none has to.  The caller puts the device.
	 */
	struct uhmmk_device *waits;
	unsigned long waits_for;
	bool is_asked; /* the driver was asked for its data */
	unsigned long src[UHMMK_RUN], dst[UHMMK_RUN];
	u8 why[UHMMK_RUN]; /* enum uhmmk_why */
};

/**
 * uhmmk_run_move() - move the pages at @start
 * @run: its results are those of this call
 * @mm: the caller holds its mmap_lock for reading
 * @end: the run may end before it
 *
 * Return: 0, or -EINVAL where nothing is mapped, or may be read, or can move.
 */
int uhmmk_run_move(struct uhmmk_run *run, struct mm_struct *mm,
		   unsigned long start, unsigned long end);

static inline bool uhmmk_run_has_moved(const struct uhmmk_run *run,
				       unsigned long i)
{
	return run->why[i] == UHMMK_MOVED;
}

#endif
