// SPDX-License-Identifier: MIT
/*
 * io_uring(7) uses memory after its call has returned, from the kernel's own
 * threads.
 *
 * Where the kernel's faults are not served each transfer of away memory would
 * fail.  Without UFFDIO_MOVE a device's writes to a page that moves meanwhile
 * would be lost.  In either case no ring is made: the call fails with ENOSYS,
 * as on a kernel without io_uring, and the program has a fallback.
 */
#include <dlfcn.h>
#include <errno.h>

#include "calls/calls.h"

bool ring_is_refused(void)
{
	return manage_is_on() && !settings.rings && !thread.inside;
}

/*
 * liburing may be loaded late and with RTLD_LOCAL, so its functions are looked
 * up at each call.
 */
static void *find_ring_call(const char *name)
{
	void *fn, *lib = NULL;

	inside_enter();
	fn = dlsym(RTLD_NEXT, name);
	if (!fn)
		lib = dlopen("liburing.so.2", RTLD_LAZY | RTLD_NOLOAD);
	if (lib)
		fn = dlsym(lib, name);
	inside_leave();
	return fn;
}

#define RING(name, params, args)                                          \
	int name params;                                                  \
	EXPORT int name params                                            \
	{                                                                 \
		__typeof__(&name) fn =                                    \
			ring_is_refused() ? NULL : find_ring_call(#name); \
                                                                          \
		return fn ? fn args : -ENOSYS;                            \
	}

RING(io_uring_queue_init, (unsigned nr, void *ring, unsigned flags),
     (nr, ring, flags))
RING(io_uring_queue_init_params, (unsigned nr, void *ring, void *p),
     (nr, ring, p))
RING(io_uring_queue_init_mem,
     (unsigned nr, void *ring, void *p, void *buf, size_t size),
     (nr, ring, p, buf, size))
RING(io_uring_setup, (unsigned nr, void *p), (nr, p))
