/* SPDX-License-Identifier: MIT */
/* log.h - where messages about a context go; for sys_logf(). */
#ifndef UHMM_CONTEXT_LOG_H
#define UHMM_CONTEXT_LOG_H

#include "sys/sys.h"

struct uhmm;

const struct sys_log *uhmm_log(struct uhmm *u);

#endif
