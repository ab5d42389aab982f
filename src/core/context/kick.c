/* SPDX-License-Identifier: MIT */
/* kick.c - see kick.h */
#include "core/context/kick.h"
#include "core/context/context.h"
#include "sys/shared.h"

void policy_kick(struct uhmm *u)
{
	struct policy *p = &u->policy;
	_Atomic uint32_t *bell =
		atomic_load_explicit(&p->bell, memory_order_acquire);

	if (atomic_load_explicit(bell, memory_order_relaxed) ||
	    atomic_exchange(bell, 1))
		return;
	if (bell == &p->kick)
		sys_futex_wake(bell, 1);
	else
		sys_futex_wake_shared(bell, 1);
}
