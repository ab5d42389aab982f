/* SPDX-License-Identifier: MIT */
/*
 * held.h - hold a thread after it has changed its mappings, and before uhmm's
 * event of that is raised: the change unmaps a page of a userfaultfd of the
 * test, too.  The kernel raises the event of that one first, and goes on when
 * the test reads it.
 */
#ifndef UHMM_TEST_HELD_H
#define UHMM_TEST_HELD_H

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "context.h"

static int held_fd = -1;

/* A thread that unmaps the page at @p is held. */
static inline void held_watch(void *p)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_UNMAP };
	struct uffdio_register reg = { .range = { (uintptr_t)p, PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };

	held_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);
	CHECK(held_fd >= 0);
	CHECK_EQ(ioctl(held_fd, UFFDIO_API, &api), 0);
	CHECK_EQ(ioctl(held_fd, UFFDIO_REGISTER, &reg), 0);
}

/* Until a thread is held: the kernel has changed its mappings. */
static inline void held_wait(void)
{
	struct pollfd fd = { .fd = held_fd, .events = POLLIN };

	CHECK_EQ(poll(&fd, 1, -1), 1);
	CHECK_EQ(fd.revents, POLLIN);
}

static inline void held_let_go(void)
{
	struct uffd_msg msg;

	CHECK_EQ(read(held_fd, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_UNMAP);
	close(held_fd);
}

#endif
