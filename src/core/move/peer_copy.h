/* SPDX-License-Identifier: MIT */
/* peer_copy.h - pages go from one device to another without passing RAM. */
#ifndef UHMM_MOVE_PEER_COPY_H
#define UHMM_MOVE_PEER_COPY_H

struct block;
struct mm_set;
struct uhmm;
struct uhmm_device;

/*
 * peer_copy.c: move pages of @want that are on other devices to @dev, as far as
 * @dev has room.  -errno: a copy failed, and its pages stayed where they were.
 * Caller holds the mover lock.
 */
int peer_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *dev);

#endif
