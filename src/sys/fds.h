/* SPDX-License-Identifier: MIT */
/*
 * fds.h - descriptors of our own, out of the application's way.
 *
 * DOC: Descriptors
 *
 * Those that stay open have high numbers: beyond the soft limit of the process,
 * where nothing else can be put in their place, if the hard limit allows that;
 * near the end of the soft limit otherwise.  What they are is recorded, so that
 * none is closed, read or written when the number has become another's.
 *
 * An application can close them all the same.  A thread with a table of
 * descriptors of its own, the holder, has copies, which keep the files open.  A
 * thread that finds a number closed puts the file back from there.  Where the
 * kernel cannot do that, or another file is there now, the process ends: pages
 * that are away would read as zeroes.
 */
#ifndef UHMM_SYS_FDS_H
#define UHMM_SYS_FDS_H

#include <stdbool.h>

/*
 * @SYS_FD_FAR: as far away as can be
 * @SYS_FD_SELECT: fit for select(2), since the application is given it; no
 *	memory is lost with it
 * @SYS_FD_BRIEF: soon closed again
 */
enum sys_fd_place {
	SYS_FD_FAR,
	SYS_FD_SELECT,
	SYS_FD_BRIEF,
};

/* Numbers below may be replaced by loops that know no limit but FD_SETSIZE. */
#define SYS_FD_REACH 1024

/*
 * Move @fd out of the way and record it until sys_close().  Return: its new
 * number, or @fd where it cannot be moved.  A negative @fd is returned as it
 * is, so that the call can be put around the one that opens.
 */
int sys_fd_keep(int fd, enum sys_fd_place place);
/* The lowest number of ours from @from on, or -1.  Takes no lock. */
int sys_fd_next(int from);
/*
 * Have a holder for all that is kept by now.  It starts a thread, see
 * sys_thread_start().  Where the kernel refuses what it needs there is none.
 */
int sys_fds_hold(void);
/*
 * A call for @fd failed with @err, or is about to be made: 0.  Return: true to
 * make it once more, as the number was closed and has been put back.
 */
bool sys_fd_mend(int fd, int err);
/* The same for all of them, from time to time. */
void sys_fds_look(void);
/* False: another file is there, and the process can do without ours. */
bool sys_fd_usable(int fd);
/* A child would wait for ever, as there is no descriptor for it. */
_Noreturn void sys_fds_short(void);
/* @say: called before the process ends with status 125. */
void sys_fds_on_lost(void (*say)(const char *why));
/* In a child, where neither the holder nor the holder of a lock lives. */
void sys_fds_child(void);

#endif
