/* SPDX-License-Identifier: MIT */
/* The context of libuhmm: context.c.  The caller holds the lock of manage.c. */
#ifndef UHMM_PRELOAD_CONTEXT_H
#define UHMM_PRELOAD_CONTEXT_H

#include "preload.h"

int context_open(struct uhmm **ret_u);
/*
 * Bring all pages home and close @u.  If a page cannot come home, end the
 * process with a sentence that names @before_what.
 */
void context_close(struct uhmm *u, const char *before_what);
/* Return: bytes that could not be managed; *@ret_why: the last error. */
size_t context_register(struct uhmm *u, uintptr_t start, uintptr_t end,
			int *ret_why);

#endif
