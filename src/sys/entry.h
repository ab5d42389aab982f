/* SPDX-License-Identifier: MIT */
/* entry.h - the entries of a folder of /proc that have numbers as names */
#ifndef UHMM_SYS_ENTRY_H
#define UHMM_SYS_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "sys/call.h"
#include "sys/text.h"

/* As getdents64(2) writes it. */
struct sys_entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Return: bytes of entries, 0 at the end, -errno. */
static inline ssize_t sys_entries(int dir, char *buf, size_t room)
{
	return call(SYS_getdents64, dir, (long)buf, (long)room, 0, 0, 0);
}

/* 0 for "." and "..", too. */
static inline uint64_t sys_entry_number(const struct sys_entry *e)
{
	return sys_text_number(e->name, 10);
}

#endif
