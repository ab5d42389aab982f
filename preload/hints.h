/* SPDX-License-Identifier: MIT */
/* hints.h - advice that changes nothing in memory: hints.c */
#ifndef UHMM_PRELOAD_HINTS_H
#define UHMM_PRELOAD_HINTS_H

#include <stdbool.h>
#include <stddef.h>

#include <uhmm/advise.h>

/*
 * Do what madvise(2) with @advice says, for the managed memory of the range.
 * False: @advice is none of those.
 */
bool hint_range(void *addr, size_t len, int advice);
/* process_madvise(2) by the program, with arguments @a. */
long hint_process(const long *a);
/* uses.c: uhmm_advise() */
void manage_advise(void *p, size_t len, enum uhmm_advice advice);

#endif
