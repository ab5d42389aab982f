/* SPDX-License-Identifier: MIT */
/* object_ops.h - calls of mm.h for memory of both kinds: object_ops.c */
#ifndef UHMM_UFFD_OBJECT_OPS_H
#define UHMM_UFFD_OBJECT_OPS_H

#include "mm/mm.h"

int object_resident(struct mm *mm, uintptr_t va, unsigned first, unsigned last,
		    struct mm_set *ret);
int object_resident_now(struct mm *mm, uintptr_t va, unsigned first,
			unsigned last, struct mm_set *ret);
int object_look(struct mm *mm, uintptr_t start, size_t npages, uint16_t *ret);
int object_freeze(struct mm *mm, struct mm_freeze *f);
int object_unprotect(struct mm *mm, uintptr_t va, size_t npages);
void object_unshare(struct mm *mm, uintptr_t va, const struct mm_set *set);
ssize_t object_fill(struct mm *mm, uintptr_t va, const void *src,
		    size_t npages);
ssize_t object_give(struct mm *mm, uintptr_t va, uintptr_t frame, size_t npages,
		    bool *ret_moved);
ssize_t object_zero(struct mm *mm, uintptr_t va, size_t npages, bool write);
void object_wake(struct mm *mm, uintptr_t va, size_t npages);
int object_poison(struct mm *mm, uintptr_t va, size_t npages);
ssize_t object_place(struct mm *mm, struct mm_place *p);
int object_site_look(struct mm *mm, struct mm_sites *n);
void object_site_move(struct mm *mm, struct mm_sites *n);
void object_fork_hide(struct mm *mm, uintptr_t start, uintptr_t end, bool hide);

#endif
