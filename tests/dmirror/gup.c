/* SPDX-License-Identifier: MIT */
/*
 * gup.c - debugfs's gup_test: references to pages, taken and given back.
 *
 * A driver that takes one makes the page come home from a private device, and
 * from a coherent one when it is to keep it for long.  uhmm_pin() is how uhmm
 * does that; other memory is just touched.
 */
#include <errno.h>
#include <time.h>

#include "dmirror.h"

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Is there a page, for as long as is asked? */
static bool take(uintptr_t addr, bool write, bool longterm)
{
	struct shim *shim = shim_get();
	bool pinned, there;

	if (!longterm && coherent_may_stay(shim, addr))
		return true;
	pinned = shim->u && !uhmm_pin(shim->u, (void *)addr, PAGE);
	there = !program_touch(addr, PAGE, write);
	if (pinned)
		uhmm_unpin(shim->u, (void *)addr, PAGE);
	return there;
}

/* As the kernel's: a failure ends it, and shows in the size that comes back. */
static void run(unsigned long request, struct gup_cmd *cmd)
{
	bool longterm = request == GUP_PIN_LONGTERM ||
			cmd->gup_flags & GUP_FLAG_LONGTERM;
	uint64_t begin = now_usec(), done = 0;

	while (done + PAGE <= cmd->size &&
	       take(cmd->addr + done, cmd->gup_flags & GUP_FLAG_WRITE,
		    longterm))
		done += PAGE;
	cmd->size = done;
	cmd->get_usec = now_usec() - begin;
	cmd->put_usec = 0;
}

int gup_ioctl(unsigned long request, void *arg)
{
	struct gup_cmd cmd;
	int err;

	switch (request) {
	case GUP_FAST:
	case GUP_PIN_FAST:
	case GUP_PIN_LONGTERM:
	case GUP_BASIC:
	case GUP_PIN_BASIC:
	case GUP_DUMP:
		break;
	default:
		return -EINVAL;
	}
	err = copy_from_program(&cmd, (uintptr_t)arg, sizeof(cmd));
	if (err)
		return err;
	cmd.addr &= ~(uint64_t)(PAGE - 1);
	run(request, &cmd);
	return copy_to_program((uintptr_t)arg, &cmd, sizeof(cmd));
}
