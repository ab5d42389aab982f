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

/* Mappings of device memory that never migrates (fixed.c). */
struct fixed_list {
	struct sys_mutex lock;
	struct fixed *list;
	_Atomic uint32_t nr;
	_Atomic int64_t pages;
	struct slab slab;
};

#define MAX_CARRIED 256

/*
 * Device pages that left with their mapping: the application moved the mapping
 * while a mover replaced it.
 */
struct carried {
	struct sys_mutex lock;
	unsigned nr;
	uint64_t page[MAX_CARRIED];
};

/* coherent.c */
/*
 * Is device memory mapped at the page's address, or being mapped or unmapped?
 */
bool coherent_is_mapped(struct uhmm *u, uint64_t w);
/*
 * Pages are moved by mremap(2) while a mover replaces their mapping.
 * coherent_may_carry(): is there room to note another such page?
 * coherent_carry(): the word for the page at @to, by what is mapped there now.
 */
bool coherent_may_carry(struct uhmm *u);
uint64_t coherent_carry(struct uhmm *u, uint64_t w, uintptr_t to);
/*
 * Did device page @dpfn leave with its mapping?  Then the mover does not own it
 * any more.
 */
bool carried_take(struct uhmm *u, unsigned dev, uint64_t dpfn);
/*
 * Zero the pages of @set that are P_COHERENT and were discarded.  Without
 * locks.
 */
void coherent_wipe(struct uhmm *u, struct block *b, const struct mm_set *set);
/* Called with b->lock held, returns with it released. */
enum mm_outcome coherent_fault_unlock(struct uhmm *u, struct block *b,
				      unsigned i) LETS_GO(b->lock);

#endif
