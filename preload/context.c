// SPDX-License-Identifier: MIT
/*
 * The context of libuhmm: opened with the settings of "uhmm run", and closed
 * when the program is about to do what cannot be served.  The caller holds the
 * lock of manage.c.
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
 * What cannot be registered as a whole is tried in halves: part of it may
 * have become something else, a shared mapping say.
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
	/* What the program prints is its own: only real trouble is said. */
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
