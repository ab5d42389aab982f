// SPDX-License-Identifier: MIT
/* The functions of the libraries behind ours; see real.h. */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>

#include "real.h"

static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

void *real_find(struct real *r)
{
	void *fn = dlsym(RTLD_NEXT, r->name);

	if (!fn)
		fn = (void *)(uintptr_t)missing;
	atomic_store_explicit(&r->fn, fn, memory_order_relaxed);
	return fn;
}

void real_init(void)
{
	for (struct real *r = real_begin; r < real_end; r++)
		real_fn(r);
}
