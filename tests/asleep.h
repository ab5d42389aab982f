/* SPDX-License-Identifier: MIT */
/*
 * asleep.h - wait until another thread waits for something, in the kernel
 * perhaps, or has ended.
 */
#ifndef UHMM_TEST_ASLEEP_H
#define UHMM_TEST_ASLEEP_H

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include "context.h"

#define ASLEEP_LOOKS 8 /* that find the thread asleep, in a row */

static inline pid_t asleep_self(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static inline bool asleep_now(pid_t tid)
{
	char name[64], line[256] = "";
	const char *state;
	int fd;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	CHECK(read(fd, line, sizeof(line) - 1) >= 0);
	close(fd);
	state = strrchr(line, ')');
	return !state || state[2] == 'S' || state[2] == 'D';
}

/* @tid: set by the thread when it is about to do what it waits in. */
static inline void asleep_wait(const _Atomic pid_t *tid)
{
	while (!*tid)
		sched_yield();
	for (int looks = 0; looks < ASLEEP_LOOKS; sched_yield())
		looks = asleep_now(*tid) ? looks + 1 : 0;
}

#endif
