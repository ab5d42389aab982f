/* SPDX-License-Identifier: MIT */
/*
 * shared.h - memory that several processes share by a file, and what one needs
 * to know of the others.
 */
#ifndef UHMM_SYS_SHARED_H
#define UHMM_SYS_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * (F) Create a file of @len zero bytes, mode 0600, with all of its blocks
 * allocated.  -EEXIST: @path exists.
 */
int sys_shared_create(const char *path, size_t len);
/*
 * (F) Map the file that a process of this user created, as memory of our own,
 * which is never managed.  No descriptor stays open.  -EINVAL: the file is of
 * another user, kind or size.
 */
int sys_shared_map(const char *path, size_t len, void **ret);
void sys_shared_unmap(void *p, size_t len);

/*
 * Names one process, before and after its execve(2), and no later process with
 * the same number.
 * @began: its start time as the kernel counts; 0: unknown
 * @space: its PID namespace; 0: unknown
 */
struct sys_process {
	uint32_t pid;
	uint64_t began, space;
};

struct sys_process sys_process_self(void);
/*
 * Has process @p ended?  False if that cannot be known: the caller @self cannot
 * see a process of another PID namespace.
 */
bool sys_process_ended(const struct sys_process *p,
		       const struct sys_process *self);

/* sys_futex_wait() and sys_futex_wake() for words that processes share. */
void sys_futex_wait_shared(_Atomic uint32_t *word, uint32_t value,
			   uint64_t timeout_ns);
void sys_futex_wake_shared(_Atomic uint32_t *word, int nr);

#endif
