/* SPDX-License-Identifier: MIT */
/*
 * coherent.h - device memory that the CPU uses in place, as the rest of the
 * core sees it.
 */
#ifndef UHMM_COHERENT_COHERENT_H
#define UHMM_COHERENT_COHERENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/page/block.h"
#include "core/page/slab.h"
#include "mm/mm.h"
#include "sys/lock.h"

struct mm_set;
struct uhmm;
struct uhmm_device;

/* Mappings of devices that take no part in migration (fixed.c). */
struct fixed_list {
	struct sys_mutex lock;
	struct fixed *list;
	_Atomic uint32_t nr;
	_Atomic int64_t pages;
	struct slab slab;
};

#define MAX_CARRIED 256

/* Device pages that went on with their mapping while it was replaced. */
struct carried {
	struct sys_mutex lock;
	unsigned nr;
	uint64_t page[MAX_CARRIED];
};

/* coherent.c */
/* Is the page on such a device, and mapped or about to be? */
bool coherent_is_mapped(struct uhmm *u, uint64_t w);
/* Its mapping went to @to while it was being replaced: what is there now? */
bool coherent_may_carry(struct uhmm *u);
uint64_t coherent_carry(struct uhmm *u, uint64_t w, uintptr_t to);
/* Did the device page go so?  Then it is not the mover's any more. */
bool carried_take(struct uhmm *u, unsigned dev, uint64_t dpfn);
/* Zero what was discarded there.  Without locks. */
void coherent_wipe(struct uhmm *u, struct block *b, const struct mm_set *set);
/* @b is locked, unlocked on return. */
enum mm_outcome coherent_fault_unlock(struct uhmm *u, struct block *b,
				      unsigned i) LETS_GO(b->lock);

#endif
