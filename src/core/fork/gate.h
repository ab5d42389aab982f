/* SPDX-License-Identifier: MIT */
/*
 * gate.h - a mover is inside the gate while it moves pages; a fork closes it.
 */
#ifndef UHMM_FORK_GATE_H
#define UHMM_FORK_GATE_H

#include <stdbool.h>

struct uhmm;

void gate_enter(struct uhmm *u);
/* Enter, if that needs no wait. */
bool gate_try(struct uhmm *u);
void gate_leave(struct uhmm *u);
/* Around a fork(2): wait until no mover is inside, and let none in. */
void gate_close(struct uhmm *u);
void gate_open(struct uhmm *u);
/* No mover enters any more; movers that are inside go on. */
void gate_shut(struct uhmm *u);
/*
 * Is the gate shut, or closed for a fork?  Then no page leaves RAM, and no
 * fault may wait for room.
 */
bool gate_is_shut(struct uhmm *u);
void gate_reopen(struct uhmm *u);

#endif
