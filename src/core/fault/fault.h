/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what the CPU and the application do to managed pages: faults, and
 * the events by which the kernel tells of discards, unmaps and remaps.
 */
#ifndef UHMM_FAULT_FAULT_H
#define UHMM_FAULT_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include "mm/mm.h"

struct block;
struct uhmm;

/* fault.c, event.c */
enum mm_outcome core_fault(void *priv, uintptr_t addr, unsigned flags);
void core_discard(void *priv, uintptr_t start, uintptr_t end);
void core_unmap(void *priv, uintptr_t start, uintptr_t end);
void core_remap(void *priv, uintptr_t from, uintptr_t to, size_t len);

#endif
