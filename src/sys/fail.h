/* SPDX-License-Identifier: MIT */
/*
 * fail.h - nth-failure injection: every call marked (F) in sys.h, and every
 * call of the backends to the kernel, passes sys_should_fail() first.
 *
 * Test code arms it with n = 1, 2, 3, ... until a run passes without a failure
 * having been injected.
 */
#ifndef UHMM_FAIL_H
#define UHMM_FAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic int64_t sys_fail_countdown; /* <= 0: off */
bool sys_fail_hit(const char *what);

/* Cheap when off: one load. */
static inline bool sys_should_fail(const char *what)
{
	if (atomic_load_explicit(&sys_fail_countdown, memory_order_relaxed) <=
	    0)
		return false;
	return sys_fail_hit(what);
}

/* The @nth call from now fails, once. */
void sys_fail_arm(int64_t nth);
/* Stop; what failed, or NULL if the n-th call was not reached. */
const char *sys_fail_disarm(void);

#endif
