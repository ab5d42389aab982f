// SPDX-License-Identifier: MIT
/*
 * The context of libuhmm.  It is opened with the settings of "uhmm run", and
 * closed before the program does something that a context would not survive.
 * The caller holds manage.c's lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"
#include "preload.h"
#include "signals.h"

#define EXIT_LOST 125

/*
 * Register [start, end).  A range that cannot be registered as a whole is tried
 * in halves: a part of it may have become another kind of mapping.  Return: the
 * bytes that were refused.
 */
size_t context_register(struct uhmm *u, uintptr_t start, uintptr_t end,
			int *ret_why)
{
	int err;

	if (start >= end)
		return 0;
	err = uhmm_register(u, (void *)start, end - start);
	if (!err)
		return 0;
	if (end - start > BLOCK) {
		uintptr_t mid = start + ((end - start) / 2 & ~(BLOCK - 1));

		if (mid == start)
			mid = start + BLOCK;
		return context_register(u, start, mid, ret_why) +
		       context_register(u, mid, end, ret_why);
	}
	*ret_why = err;
	return end - start;
}

static void on_log(void *arg, int level, const char *msg)
{
	/* The program's output is its own: print errors only. */
	if (level <= 3)
		say("%s", msg);
}

static int open_with_devices(struct uhmm **ret_u)
{
	struct uhmm_budget *budget = budget_get();
	const struct uhmm_params params = {
		.size = sizeof(params),
		.fault_mode = settings.mode,
		.flags = UHMM_OPEN_STAT | UHMM_OPEN_RESCUE | settings.flags,
		.ram_limit = budget ? 0 : settings.ram,
		.features_off = settings.features_off,
		.budget = budget,
	};
	struct uhmm *u;
	int err = uhmm_open(&params, &u);

	if (err)
		return err;
	uhmm_set_log(u, on_log, NULL);
	err = devices_open(u);
	if (err) {
		uhmm_close(u);
		devices_forget();
		return err;
	}
	uses_set(u);
	*ret_u = u;
	return 0;
}

int context_open(struct uhmm **ret_u)
{
	int err;

	signals_arm();
	stacks_touch();
	err = open_with_devices(ret_u);
	if (err)
		say("memory cannot be managed: %s%s; the program goes on "
		    "without a limit",
		    strerrordesc_np(-err), settings_space(err));
	return err;
}

void context_close(struct uhmm *u, const char *before_what)
{
	int err = -EBUSY;

	calls_started(NULL);
	uses_set(NULL);
	if (uses_settle())
		err = uhmm_close(u);
	if (err) {
		say("memory cannot come home before %s: %s; the process ends",
		    before_what, strerrordesc_np(-err));
		syscall(SYS_exit_group, EXIT_LOST);
	}
	devices_forget();
}
