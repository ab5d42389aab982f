/* SPDX-License-Identifier: MIT */
/* gate.h - movers are inside while they move pages; a fork closes it. */
#ifndef UHMM_FORK_GATE_H
#define UHMM_FORK_GATE_H

#include <stdbool.h>

struct uhmm;

void gate_enter(struct uhmm *u);
void gate_leave(struct uhmm *u);
/* No mover enters any more; those inside go on. */
void gate_shut(struct uhmm *u);
/* Or around a fork: nothing leaves RAM, and no fault can wait for that. */
bool gate_is_shut(struct uhmm *u);
void gate_reopen(struct uhmm *u);

#endif
