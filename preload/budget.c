// SPDX-License-Identifier: MIT
/*
 * The limit that this process shares with the other processes of "uhmm run".
 *
 * While all memory fits no context is open, and this file claims what the
 * program asked the kernel for.  An open context claims for itself, by the
 * pages in RAM.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <uhmm/budget.h>

#include "preload.h"

#define STEP	    ((uint64_t)1 << 20) /* claimed at once */
#define FREE	    ((uint64_t)1 << 20) /* every process has that unclaimed */
#define CHILD_SHARE 16 /* limit / this: allowance for new bytes */
#define GIVE	    ((uint64_t)16 << 20) /* more unused is returned */

static struct uhmm_budget *budget;
static _Atomic uint64_t granted;
static _Atomic uint64_t born_with; /* a child: bytes shared with its parent */
static _Atomic uint64_t allowance; /* a managed parent's child may use */
static _Atomic bool filtered;	   /* a filter is in force */
static _Atomic bool stopped;	   /* the filter forbids a claim's calls */
static int error;

void budget_init(void)
{
	if (settings.budget)
		error = uhmm_budget_attach(settings.budget, &budget);
}

/*
 * At the end of the first process: remove the budget's file unless other
 * processes of the command run.  By bare system calls: libraries in front of
 * the C library may be gone by now.
 */
void budget_exit(void)
{
	struct uhmm_budget_info info = { .size = sizeof(info) };
	siginfo_t child;

	if (!budget || atomic_load(&filtered) || getpid() != settings.pid ||
	    syscall(SYS_waitid, P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT,
		    NULL) != -1)
		return;
	if (!uhmm_budget_query(budget, &info) && info.members < 2)
		syscall(SYS_unlinkat, AT_FDCWD, settings.budget, 0);
}

void budget_filtered(bool forbids)
{
	atomic_store(&filtered, true);
	if (forbids)
		atomic_store(&stopped, true);
}

struct uhmm_budget *budget_get(void)
{
	if (error)
		say("process %d cannot find the limit that it was to share: "
		    "%s; it has as much for itself",
		    (int)getpid(), strerrordesc_np(-error));
	return budget;
}

static bool claim(uint64_t bytes)
{
	uint64_t got = 0;

	if (uhmm_budget_claim(budget, (bytes + STEP - 1) / STEP * STEP, &got))
		return false;
	if (got < bytes && uhmm_budget_claim(budget, bytes, &got))
		return false;
	atomic_store(&granted, got);
	return got >= bytes;
}

bool budget_allows(uint64_t bytes)
{
	uint64_t got = atomic_load(&granted);

	if (!budget || atomic_load(&stopped))
		return bytes <= settings.ram || bytes <= allowance;
	if (allowance)
		return bytes <= allowance;
	bytes = bytes > born_with ? bytes - born_with : 0;
	if (got > bytes + GIVE)
		return claim(bytes);
	return bytes <= FREE || bytes <= got || claim(bytes);
}

void budget_forked(uint64_t bytes, bool was_managed)
{
	atomic_store(&granted, 0);
	born_with = bytes;
	allowance = was_managed ? bytes + settings.ram / CHILD_SHARE : 0;
}

bool budget_query(struct uhmm_budget_info *ret)
{
	*ret = (struct uhmm_budget_info){ .size = sizeof(*ret) };
	return budget && !uhmm_budget_query(budget, ret);
}
