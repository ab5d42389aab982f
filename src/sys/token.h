/* SPDX-License-Identifier: MIT */
/*
 * token.h - does a process that was made from this one still have its memory?
 *
 * A token is a file of which the asking process has one descriptor.  The kernel
 * grants a lease for writing (fcntl(2), F_SETLEASE) on a file that is open only
 * once.  A mapping keeps a file open, that of a child as well.  So a token that
 * was opened once more, mapped and closed says whether any process has that
 * mapping still: all that were made while it was there have it, however they
 * were made, until they end or call execve(2).
 */
#ifndef UHMM_SYS_TOKEN_H
#define UHMM_SYS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * @fd: -1: none
 * @page: where it is mapped, or 0
 */
struct sys_token {
	int fd;
	uintptr_t page;
};

/* (F) -EOPNOTSUPP: there are no leases here, or no /proc. */
int sys_token_open(struct sys_token *ret);
void sys_token_close(struct sys_token *t);
/* (F) Processes that are made from now on have it. */
int sys_token_show(struct sys_token *t);
/* Processes that are made from now on do not have it. */
void sys_token_hide(struct sys_token *t);
/* Hidden: is there no other process that has it?  False where unknown. */
bool sys_token_is_alone(const struct sys_token *t);
/* In a child: the mapping stays, as it is what the token is for. */
void sys_token_child(struct sys_token *t);

#endif
