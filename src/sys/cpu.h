/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - what differs between processors: pages, waiting, signal frames.
 */
#ifndef UHMM_SYS_CPU_H
#define UHMM_SYS_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* The pages that this library is built for. */
#define SYS_PAGE_SHIFT 12
#define SYS_PAGE_SIZE  ((size_t)1 << SYS_PAGE_SHIFT)

/* Does the system have pages of that size? */
bool sys_page_size_fits(void);

/*
 * A touch of memory that faulted.
 * @write: a store, or unknown
 * @present: a page is there, and does not allow the touch
 */
struct sys_touch {
	bool write, present;
};

/* @context: the third argument of a signal handler, for SIGSEGV or SIGBUS */
struct sys_touch sys_touch_of(const void *context);

/* In a loop that waits for another processor. */
static inline void sys_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
