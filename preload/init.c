// SPDX-License-Identifier: MIT
/*
 * The library's constructor and destructor.  Before the constructor nothing is
 * counted, and allocations come from the bootstrap buffer.
 */
#include <dlfcn.h>

#include "preload.h"
#include "real.h"
#include "signals.h"
#include "thread.h"

__attribute__((constructor(101))) static void begin(void)
{
	int err = errno;

	inside_enter();
	heap_init();
	fork_init();
	arena_init();
	fork_late_init();
	settings_read();
	heap_start();
	map_init();
	real_init();
	thread_init();
	symbols_init();
	summary_init();
	manage_init();
	masks_init();
	stacks_init();
	/*
	 * Clear dlerror(): functions that we did not find do not concern the
	 * program.
	 */
	while (dlerror())
		;
	inside_leave();
	errno = err;
}

/* Away pages stay away: the process is about to end. */
__attribute__((destructor(101))) static void end(void)
{
	summary_write();
	budget_exit();
}
