/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * dmirror.h - devices with page tables of their own.
 *
 * A mirror, which is an open file, is one process's memory as one device sees
 * it: a table from page numbers to pages.  An entry is good until the notifier
 * of the address range says otherwise; the device uses entries, and the
 * notifier removes them, under @lock.  So no entry outlives its page.
 *
 * Locks: mmap_lock, then @lock.
 */
#ifndef UHMMK_DMIRROR_H
#define UHMMK_DMIRROR_H

#include <linux/hmm.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "compat.h"
#include "move.h"
#include "uapi.h"

#define RUN 64UL /* the most pages that a device faults or looks up at once */

/* An entry's flags: access beside reading */
#define ENTRY_WRITE  1UL
#define ENTRY_ATOMIC 2UL

struct device_of_tests {
	struct miscdevice misc;
	char name[16];
	struct uhmmk_pagemap pm;
	bool is_there;
};

struct mirror {
	struct device_of_tests *dev;
	struct mm_struct *mm;
	struct mmu_interval_notifier notifier;
	struct mutex lock; /* of @table and the notifier's sequence */
	struct xarray table;
	bool is_unlocked; /* hmm_range_fault() takes mmap_lock itself */
};

/* mirror.c */
int mirror_init(struct mirror *m);
void mirror_exit(struct mirror *m);

/* Caller holds @lock. */
int mirror_enter(struct mirror *m, unsigned long addr, struct page *page,
		 unsigned long tags);

/*
 * Call hmm_range_fault() until nothing changed meanwhile; on 0 @lock is held.
 */
int mirror_range_fault(struct mirror *m, struct hmm_range *range);

/* Make entries for [start, end), as a fault of the device does. */
int mirror_fault(struct mirror *m, unsigned long start, unsigned long end,
		 bool write);

/* access.c: the device reads or writes, by its table */
int mirror_access(struct mirror *m, struct command *c, bool write,
		  bool may_fault);

/* migrate.c */
int mirror_migrate(struct mirror *m, struct command *c, bool is_home);

/* exclusive.c */
int mirror_exclusive(struct mirror *m, struct command *c);
int mirror_check_exclusive(struct mirror *m, struct command *c);

/* snapshot.c */
int mirror_snapshot(struct mirror *m, struct command *c);

#endif
