/* SPDX-License-Identifier: MIT */
/* send.h - pages go to a device, for the limit or as the program advises */
#ifndef UHMM_LIMIT_SEND_H
#define UHMM_LIMIT_SEND_H

#include <stdint.h>

#include "core/move/out.h"

/*
 * demote.c: send pages of @want away.  Caller holds the block's mover lock.
 * Return: as out_block(); *@ret_grew: bytes of RAM that @dev takes more.
 */
int demote_send(struct uhmm *u, struct block *b, const struct mm_set *want,
		struct uhmm_device *dev, enum out_how how, int64_t *ret_grew);

#endif
