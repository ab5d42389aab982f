/* SPDX-License-Identifier: MIT */
/* fork.h - what fork(2) has to find: fork.c */
#ifndef UHMM_FORK_FORK_H
#define UHMM_FORK_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

/*
 * @params: with which the context was opened
 * @kept: pages stay away during this fork
 * @fd: userfaultfd by which the child serves these pages
 */
struct fork {
	struct uhmm_params params;
	char features_off[256];
	bool kept;
	int fd;
};

/* The list of open contexts. */
int fork_enlist(struct uhmm *u);
void fork_delist(struct uhmm *u);

/*
 * mm_client.forked: @child was made without fork(2)'s handlers; a touch there
 * of a page that is away must raise a signal.
 */
void core_forked(void *priv, int child);

/*
 * inherit.c: open a context in a forked child, on the child's userfaultfd @fd.
 * Takes over @fd.
 */
int heir_open(struct uhmm *old, int fd);
/* context.c: a context like @old, on @fd */
int core_reopen(struct uhmm *old, int fd, struct uhmm **ret_u);

#endif
