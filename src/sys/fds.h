/* SPDX-License-Identifier: MIT */
/*
 * fds.h - descriptors of our own, out of the application's way.
 *
 * DOC: Descriptors
 *
 * Descriptors that stay open have high numbers: beyond the soft limit of the
 * process, where the application can put no other file in their place, if the
 * hard limit allows that; near the end of the soft limit otherwise.  The inode
 * behind each is recorded, so that a number that has become another file's is
 * not closed, read or written.
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
#include <stddef.h>
#include <sys/types.h>

/*
 * @SYS_FD_FAR: the highest number that can be had
 * @SYS_FD_SELECT: below FD_SETSIZE, for a descriptor that the application
 *	waits on by select(2); no page is lost if it is closed
 * @SYS_FD_BRIEF: a descriptor that is closed again soon
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
 * Start the holder for all descriptors kept so far.  It is a thread, see
 * sys_thread_start().  Where the kernel refuses to give a thread a table of its
 * own there is no holder.
 */
int sys_fds_hold(void);
/*
 * A call on @fd failed with @err, or is about to be made: 0.  Return: true if
 * the number had been closed and is open again: repeat the call.
 */
bool sys_fd_mend(int fd, int err);
/*
 * Call @fn by the holder, where the descriptors that it opens and closes have
 * no numbers that the application could see.  @fn takes no lock, and works on a
 * copy of the @size bytes at @arg, which may lie on a managed stack.  False:
 * there is no holder, and nothing was done.
 */
bool sys_fds_apart(void (*fn)(void *arg), void *arg, size_t size);
/*
 * Calls by the holder, on a descriptor that is kept, or that such a read
 * brought: the process's table has none of that number.  At most 128 bytes.
 * Without a holder: -EMFILE, and -EBADF for what it had.
 */
ssize_t sys_read_apart(int fd, void *buf, size_t len);
int sys_ioctl_apart(int fd, unsigned long request, void *arg, size_t len);
void sys_close_apart(int fd);
/* sys_fd_mend() for all kept descriptors; a thread calls this periodically. */
void sys_fds_look(void);
/* False: another file is there, and the process can do without ours. */
bool sys_fd_usable(int fd);
/* End the process: no descriptor is left, and a child would wait for ever. */
_Noreturn void sys_fds_short(void);
/* @say: called before the process ends with status 125. */
void sys_fds_on_lost(void (*say)(const char *why));
/* In a forked child, where the holder does not exist and no lock is held. */
void sys_fds_child(void);

#endif
