/* SPDX-License-Identifier: MIT */
/* fixed.h - mappings of device memory that never migrates; see fixed.c */
#ifndef UHMM_COHERENT_FIXED_H
#define UHMM_COHERENT_FIXED_H

#include "core/context/context.h"

/* Size of an entry of the list, for its slab. */
size_t fixed_size(void);
/*
 * Like region_next(): the first fixed mapping in [start, end), clipped, and the
 * word of its first page.
 */
bool fixed_next(struct uhmm *u, uintptr_t start, uintptr_t end,
		uintptr_t *ret_start, uintptr_t *ret_end, uint64_t *ret_word);
/* Set the words of fixed pages in [start, end); leave the other words alone. */
void fixed_words(struct uhmm *u, uintptr_t start, uintptr_t end,
		 uint64_t *words);
/* The application unmapped [start, end): forget fixed mappings there. */
void fixed_unmap(struct uhmm *u, uintptr_t start, uintptr_t end);
void fixed_device_gone(struct uhmm_device *dev);
void fixed_destroy(struct uhmm *u);

/* Bodies of the public calls */
int do_device_map(struct uhmm_device *dev, uintptr_t addr, size_t len,
		  uint64_t dpfn);
int do_device_unmap(struct uhmm_device *dev, uintptr_t addr, size_t len);

#endif
