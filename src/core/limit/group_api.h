/* SPDX-License-Identifier: MIT */
/* group_api.h - bodies of the public calls about charge groups. */
#ifndef UHMM_LIMIT_GROUP_API_H
#define UHMM_LIMIT_GROUP_API_H

#include <stddef.h>
#include <stdint.h>

struct uhmm;
struct uhmm_group;

/* Begin to count pages in RAM.  Return: 0, or -ENOMEM. */
int charge_start(struct uhmm *u);
int do_group_create(struct uhmm_group *parent, const char *name,
		    struct uhmm_group **ret);
int do_group_limit(struct uhmm_group *g, unsigned tier, uint64_t bytes);
int do_charge(struct uhmm *u, uintptr_t addr, size_t len, struct uhmm_group *g);

#endif
