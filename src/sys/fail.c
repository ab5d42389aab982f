/* SPDX-License-Identifier: MIT */
/* fail.c - see fail.h */
#include "sys/fail.h"

#include <stddef.h>

_Atomic int64_t sys_fail_countdown;
static _Atomic(const char *) failed;

bool sys_fail_hit(const char *what)
{
	if (atomic_fetch_sub(&sys_fail_countdown, 1) != 1)
		return false;
	atomic_store(&failed, what);
	return true;
}

void sys_fail_arm(int64_t nth)
{
	atomic_store(&failed, NULL);
	atomic_store(&sys_fail_countdown, nth);
}

const char *sys_fail_disarm(void)
{
	atomic_store(&sys_fail_countdown, 0);
	return atomic_exchange(&failed, NULL);
}
