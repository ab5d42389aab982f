/* SPDX-License-Identifier: MIT */
/* stat_socket.h - answers to "uhmm stat" about a context: stat_socket.c */
#ifndef UHMM_REPORT_STAT_SOCKET_H
#define UHMM_REPORT_STAT_SOCKET_H

#include <stdatomic.h>
#include <stdbool.h>

#include "sys/local.h"
#include "sys/sys.h"

struct uhmm;

/*
 * @next: list of all sockets in this process
 * @fd, @wake: the socket, and an event to end with; -1: none
 * @pid: the process that made the socket; a child of a fork(2) has another one
 */
struct serve {
	struct serve *next;
	struct sys_thread thread;
	_Atomic bool stop;
	bool running;
	int fd, wake, pid;
	char path[SYS_SOCKET_PATH];
};

void serve_init(struct uhmm *u);
/* Failure is only logged. */
void serve_start(struct uhmm *u);
void serve_stop(struct uhmm *u);
/* Lock the list of sockets around a fork(2). */
void serve_lock(void);
void serve_unlock(void);
/* In the child of a fork(2): close the socket. */
void serve_child(struct uhmm *u);

#endif
