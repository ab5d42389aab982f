// SPDX-License-Identifier: MIT
/*
 * Beginning and end.  Until the constructor has run nothing is counted; what
 * was allocated so far is in the bootstrap buffer.
 */
#include <dlfcn.h>

#include "preload.h"
#include "real.h"
#include "signals.h"

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
	symbols_init();
	summary_init();
	manage_init();
	masks_init();
	stacks_init();
	/* What was not found is no news for the program. */
	while (dlerror())
		;
	inside_leave();
	errno = err;
}

/* Pages stay where they are: the process is about to be gone. */
__attribute__((destructor(101))) static void end(void)
{
	summary_write();
	budget_exit();
}
