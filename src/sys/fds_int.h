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
 * @number: 0 is a free place; read without the lock
 * @serial: of all that was ever kept, 0 for a free place
 * @vital: without it pages that are away cannot be read
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
 * Reading what another file has would take it from the program.  No time is
 * spent on numbers where there can hardly be another.
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
 * The soft limit of descriptors is @enough for a moment, if the hard one allows
 * that.  If another thread sets it meanwhile, its value is the one that stays.
 */
struct sys_raised {
	struct rlimit was, is;
};

int sys_limit_raise(struct sys_raised *r, uint64_t enough);
void sys_limit_restore(const struct sys_raised *r);
/*
 * The same for some numbers that are free, and the hard limit is raised as
 * well where it must be and can be.
 */
bool sys_limit_make_room(struct sys_raised *r);
/* A system call that opens descriptors, with room for them. */
long sys_opened(long nr, long a, long b, long c, long d);

/* Holds the lock: a place is free now. */
void sys_holder_drop(size_t place, uint32_t serial);
/* Nothing is kept, perhaps: then it ends. */
void sys_holder_idle(void);
void sys_holder_child(void);

#endif
