/* SPDX-License-Identifier: MIT */
/*
 * budget.h - one limit on RAM for several processes.  See
 * uhmm_budget_create(3).
 *
 * A budget is a file that processes know.  The limit of a context that is
 * opened with one (uhmm_params.budget) is a part of the total, which grows and
 * shrinks with what it and the others use.  A process that manages nothing may
 * claim a part as well, so that it counts.
 *
 * A process is a member from its first claim, or from uhmm_open() on, until it
 * detaches or ends, in whatever way.  A forked child is another member.
 */
#ifndef UHMM_BUDGET_H
#define UHMM_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm_budget; /* one limit for several processes */

#define UHMM_BUDGET_MEMBERS 1000 /* processes; others do not count */

/**
 * uhmm_budget_create() - a new budget
 * @path: of a file that is made, mode 0600, on a file system in memory best;
 *	unlink it when no process will attach any more
 * @bytes: the limit, whole pages
 *
 * Processes of the same user can change the budget.
 *
 * Return: 0; -EINVAL for 0 or parts of pages; -EEXIST: there is a file; -ENOSPC
 * and others of open(2); -ENOMEM.
 */
int uhmm_budget_create(const char *path, uint64_t bytes);

/**
 * uhmm_budget_attach() - have part in a budget
 * @ret_budget: to be detached; in a forked child it is the child's own
 *
 * No descriptor stays open.
 *
 * Return: 0; -EINVAL: @path is no budget, is another user's, or is one of
 * another version of the library; -ENOENT and others of open(2); -ENOMEM.
 */
int uhmm_budget_attach(const char *path, struct uhmm_budget **ret_budget);

/**
 * uhmm_budget_detach() - leave it, and forget it
 *
 * No context that uses it may be open.  What was claimed is free for others.
 */
void uhmm_budget_detach(struct uhmm_budget *budget);

/**
 * uhmm_budget_claim() - count memory that no context manages
 * @bytes: all that the process has, not what it has more than before
 * @ret_granted: bytes that it may have: less than @bytes where others have the
 *	rest, or ask for it
 *
 * It does not wait.  Not beside a context that uses the budget, which claims
 * for itself.
 *
 * Return: 0; -EINVAL; -EBUSY beside such a context.
 */
int uhmm_budget_claim(struct uhmm_budget *budget, uint64_t bytes,
		      uint64_t *ret_granted);

/**
 * uhmm_budget_set() - change the total
 * @bytes: whole pages, not 0
 *
 * Where less is left than members have, each gives in proportion: contexts at
 * once, others when they claim again.
 *
 * Return: 0; -EINVAL.
 */
int uhmm_budget_set(struct uhmm_budget *budget, uint64_t bytes);

/**
 * struct uhmm_budget_info - how a budget stands
 * @size: set by the caller
 * @total: the limit, bytes
 * @granted: bytes, the sum of what members may have
 * @used: bytes, the sum of what they had when they last looked
 * @peak: the most that @used ever was
 * @members: processes that have a part now
 * @joined: processes that ever had
 */
struct uhmm_budget_info {
	size_t size;
	uint64_t total;
	uint64_t granted;
	uint64_t used;
	uint64_t peak;
	uint32_t members;
	uint32_t joined;
};

/**
 * uhmm_budget_query() - fill in @ret_info
 *
 * Return: 0; -EINVAL; -E2BIG.
 */
int uhmm_budget_query(struct uhmm_budget *budget,
		      struct uhmm_budget_info *ret_info);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
