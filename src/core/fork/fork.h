/* SPDX-License-Identifier: MIT */
/* fork.h - what fork(2) has to find: fork.c */
#ifndef UHMM_FORK_FORK_H
#define UHMM_FORK_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

/*
 * @params: as it was opened
 * @kept: pages are away during this fork
 * @fd: by which the child would serve them
 */
struct fork {
	struct uhmm_params params;
	char features_off[256];
	bool kept;
	int fd;
};

/* Contexts that are open. */
int fork_enlist(struct uhmm *u);
void fork_delist(struct uhmm *u);

/* Guard what is away in a child made past the handlers: mm_client.forked */
void core_forked(void *priv, int child);

/* inherit.c: go on in a child, by its own userfaultfd @fd, which is used up. */
int heir_open(struct uhmm *old, int fd);
/* context.c: a context like @old, on @fd */
int core_reopen(struct uhmm *old, int fd, struct uhmm **ret_u);

#endif
