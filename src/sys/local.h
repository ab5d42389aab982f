/* SPDX-License-Identifier: MIT */
/*
 * local.h - a Unix socket for one's own processes: only the user that owns the
 * socket can reach it.  Results are 0, a count, a descriptor or -errno.
 */
#ifndef UHMM_SYS_LOCAL_H
#define UHMM_SYS_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SYS_SOCKET_PATH 108 /* bytes of a path, with the final NUL */

/*
 * (F) Make @path a folder that only this user can enter, or see that it is
 * one.  -EPERM: it is not.
 */
int sys_private_dir(const char *path);
/* Is @path a folder of this user's, no link? */
bool sys_is_own_dir(const char *path);
/* (F) Listen at @path, which is replaced; mode 0600. */
int sys_socket_listen(const char *path);
/*
 * (F) Accept the next client, if it runs as our own user; others are
 * disconnected: -EPERM.  Reads and writes time out after one second.
 */
int sys_socket_accept(int fd);
ssize_t sys_socket_read(int fd, void *buf, size_t len);
/* Write all @len bytes, or return -errno.  SIGPIPE is not raised. */
int sys_socket_write(int fd, const void *buf, size_t len);
void sys_unlink(const char *path);

/* The effective user, and the number of this process. */
unsigned sys_uid(void);
int sys_pid(void);

/* ---- Descriptors from a process to its child ---- */

/* (F) */
int sys_socket_pair(int ret_fd[2]);
int sys_socket_pass(int sock, int fd);
/* Wait for a descriptor.  -EPIPE: the other end is closed. */
int sys_socket_take(int sock);

#endif
