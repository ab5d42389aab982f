/* SPDX-License-Identifier: MIT */
/* fds_int.h - what fds.c and holder.c share */
#ifndef UHMM_SYS_FDS_INT_H
#define UHMM_SYS_FDS_INT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "sys/fds.h"
#include "sys/lock.h"

enum {
	SYS_MAX_KEPT = 512,
};

/*
 * @number: the descriptor; 0: the place is free; read without the lock
 * @serial: a number that no other kept descriptor ever had; 0: free
 * @vital: pages that are away cannot be read without this descriptor
 */
struct sys_kept {
	_Atomic int number;
	_Atomic uint32_t serial;
	dev_t dev;
	ino_t ino;
	bool vital;
};

extern struct sys_kept sys_kept[SYS_MAX_KEPT];
extern _Atomic int sys_nr_kept;	       /* places that were ever used */
extern struct sys_mutex sys_kept_lock; /* for changes of the above */

/*
 * Call before a read: if the program has put its own file at @fd, our read
 * would take the program's data.  High numbers are not looked at, since a
 * program's file is hardly ever there.
 */
static inline void sys_fd_look_first(int fd)
{
	if (fd < SYS_FD_REACH)
		sys_fd_mend(fd, 0);
}

struct sys_kept *sys_kept_find(int fd);
/* Is the number still what was recorded? */
bool sys_kept_is_same(const struct sys_kept *k);
/*
 * Raise the soft RLIMIT_NOFILE to @enough for a moment, if the hard limit is as
 * high.  If the program sets the limit meanwhile, the program's value stays.
 */
struct sys_raised {
	struct rlimit was, is;
};

int sys_limit_raise(struct sys_raised *r, uint64_t enough);
void sys_limit_restore(const struct sys_raised *r);
/*
 * Raise the soft limit so far that some numbers are free, and the hard limit
 * with it where that is needed and allowed.
 */
bool sys_limit_make_room(struct sys_raised *r);
/* Make system call @nr, which opens descriptors; raise the limit on EMFILE. */
long sys_opened(long nr, long a, long b, long c, long d);

/* Close the holder's copy.  Caller holds sys_kept_lock. */
void sys_holder_drop(size_t place, uint32_t serial);
/* End the holder if no descriptor is kept any more. */
void sys_holder_idle(void);
void sys_holder_child(void);

#endif
