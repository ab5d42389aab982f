/* SPDX-License-Identifier: MIT */
/* fork.h - what fork(2) has to find: fork.c */
#ifndef UHMM_CORE_FORK_H
#define UHMM_CORE_FORK_H

struct uhmm;

/* Contexts that are open. */
int fork_enlist(struct uhmm *u);
void fork_delist(struct uhmm *u);

/* What is away, of a process that nobody announced: mm_client.forked */
int core_forked(void *priv, int child);

/* region.c: around a fork, last before and first after */
void region_fork_prepare(void);
void region_fork_parent(void);
void region_fork_child(void);

#endif
