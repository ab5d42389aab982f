/* SPDX-License-Identifier: MIT */
/*
 * kick.h - the bell of the demoter (limit/demoter.c): every folder may ring it.
 */
#ifndef UHMM_CONTEXT_KICK_H
#define UHMM_CONTEXT_KICK_H

struct uhmm;

/* Wake the demoter: it may have pages to demote, or waiting faults to wake. */
void policy_kick(struct uhmm *u);

#endif
