/* SPDX-License-Identifier: MIT */
/*
 * workspace.h - memory that codecs work in.
 *
 * There is a fixed number of workspaces.  A thread claims one for a call, and
 * waits while all are claimed.  The first ones are claimed first, so that the
 * others take no RAM.  In the child of a fork(2) all are as at first, since
 * threads that have claimed one are not there.
 */
#ifndef ZRAM_WORKSPACE_H
#define ZRAM_WORKSPACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../touched.h"

/* @is_ready: of the thread that has claimed it; false at first */
struct workspace {
	_Alignas(64) _Atomic bool is_claimed;
	bool is_ready;
	_Alignas(64) char bytes[];
};

struct workspaces {
	unsigned char *memory;
	size_t each; /* bytes of one */
	unsigned nr;
	touched_pages touched; /* number of those ever claimed */
};

/* @len: of their bytes.  The caller zeroes @w.  Return: 0 or -ENOMEM. */
int workspaces_init(struct workspaces *w, unsigned nr, size_t len);
void workspaces_fini(struct workspaces *w);

struct workspace *workspace_claim(struct workspaces *w);
void workspace_release(struct workspace *space);

/* Bytes of RAM that they take. */
uint64_t workspaces_ram(const struct workspaces *w);

#endif
