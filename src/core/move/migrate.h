/* SPDX-License-Identifier: MIT */
/* migrate.h - bodies of the public calls that move and pin pages. */
#ifndef UHMM_MOVE_MIGRATE_H
#define UHMM_MOVE_MIGRATE_H

#include <stddef.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

struct mm_set;

/* migrate.c, pin.c: bodies of the public calls */
/* Move pages of one block to @dev.  @why is set for all pages of @want. */
int migrate_block(struct uhmm *u, uintptr_t va, const struct mm_set *want,
		  struct uhmm_device *dev, uint8_t *why);
ssize_t do_prefer(struct uhmm *u, uintptr_t addr, size_t len,
		  struct uhmm_device *dev);
ssize_t do_migrate(struct uhmm *u, uintptr_t addr, size_t len,
		   struct uhmm_device *dev, uint8_t *why);
int do_register(struct uhmm *u, uintptr_t addr, size_t len);
int do_unregister(struct uhmm *u, uintptr_t addr, size_t len);
int64_t do_fault_in(struct uhmm *u, uintptr_t addr, size_t len, bool write);
int do_pin(struct uhmm *u, uintptr_t addr, size_t len);
int do_unpin(struct uhmm *u, uintptr_t addr, size_t len);

#endif
