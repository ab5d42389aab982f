/* SPDX-License-Identifier: MIT */
/*
 * fault.h - CPU faults on managed pages, and the events by which the kernel
 * reports discards, unmaps and remaps.
 */
#ifndef UHMM_FAULT_FAULT_H
#define UHMM_FAULT_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include "mm/mm.h"
#include "sys/waits.h"

struct block;
struct uhmm;

/*
 * fault_in.c: call @try until its result is not -EAGAIN.  After a while give up
 * the CPU between two calls.
 */
typedef int try_fn(void *arg);
int fault_until_done(struct sys_wait *wait, try_fn *try, void *arg);

/* The calls of the backend, see struct mm_client. */
enum mm_outcome core_fault(void *priv, uintptr_t addr, unsigned flags);
void core_discard(void *priv, uintptr_t start, uintptr_t end);
void core_unmap(void *priv, uintptr_t start, uintptr_t end);
void core_remap(void *priv, uintptr_t from, uintptr_t to, size_t len);

#endif
