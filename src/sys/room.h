/* SPDX-License-Identifier: MIT */
/*
 * room.h - memory for the program at addresses of our choice, with nothing next
 * to it: room.c
 */
#ifndef UHMM_SYS_ROOM_H
#define UHMM_SYS_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * @va: aligned to @align
 * @len: bytes of it; more addresses, up to a whole @align, are the room's
 */
struct sys_room {
	uintptr_t va;
	size_t len, align;
};

/* Private memory that nobody may touch, and that no child has.  (F) */
int sys_room_map(struct sys_room *r, size_t len, size_t align);
/* Let the program read it, and write to it.  (F) */
int sys_room_open(const struct sys_room *r, bool write);
/* A part of the memory ends, by munmap(2). */
void sys_room_cut(uintptr_t start, size_t len);
/* The addresses around the memory end. */
void sys_room_unmap(const struct sys_room *r);
/* Discard a part, by madvise(2) with MADV_DONTNEED. */
void sys_room_discard(uintptr_t start, size_t len);

#endif
