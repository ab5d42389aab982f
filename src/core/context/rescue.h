/* SPDX-License-Identifier: MIT */
/* rescue.h - all pages come home because the process is about to end. */
#ifndef UHMM_CONTEXT_RESCUE_H
#define UHMM_CONTEXT_RESCUE_H

#include <stdatomic.h>
#include <stdint.h>

#include "sys/sys.h"

struct uhmm;

struct rescue {
	struct sys_thread thread;
	_Atomic uint32_t state; /* futex */
	int result;		/* valid once @state says done */
};

/* rescue.c */
int rescue_start(struct uhmm *u);
void rescue_stop(struct uhmm *u);

#endif
