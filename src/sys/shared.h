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
 * (F) Make a file of @len bytes of zeroes, of which none can be missing later:
 * mode 0600.  -EEXIST: there is one.
 */
int sys_shared_create(const char *path, size_t len);
/*
 * (F) Map what another process of this user created, as memory of our own that
 * is never managed.  No descriptor stays open.  -EINVAL: it is not that.
 */
int sys_shared_map(const char *path, size_t len, void **ret);
void sys_shared_unmap(void *p, size_t len);

/*
 * A process, also after it called execve(2), and no other.
 * @began: when it began, as the kernel counts; 0: that is not known
 * @space: its namespace of processes; 0: that is not known
 */
struct sys_process {
	uint32_t pid;
	uint64_t began, space;
};

struct sys_process sys_process_self(void);
/*
 * Has it ended?  False where that cannot be known.  @self: the caller; a
 * process of another namespace cannot be seen.
 */
bool sys_process_ended(const struct sys_process *p,
		       const struct sys_process *self);

/* As those of lock.h, for words in such memory. */
void sys_futex_wait_shared(_Atomic uint32_t *word, uint32_t value,
			   uint64_t timeout_ns);
void sys_futex_wake_shared(_Atomic uint32_t *word, int nr);

#endif
