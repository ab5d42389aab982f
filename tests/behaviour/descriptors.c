// SPDX-License-Identifier: MIT
/*
 * Descriptors of the library have high numbers, are gone when the context is
 * closed, and a child closes none that has become another's.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../context.h"

static int lowest(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

static void check_numbers(void)
{
	int nr = 0;

	for (int fd = uhmm_fd_next(0); fd >= 0; fd = uhmm_fd_next(fd + 1)) {
		CHECK(fd >= 128);
		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		nr++;
	}
	CHECK(nr >= 4);
}

/* In the child its context is dead, and another file where one of it was. */
static void check_child(struct uhmm *u)
{
	int fd = uhmm_fd(u), pipes[2], status;
	pid_t pid;

	CHECK(fd >= 0 && fd < 1024); /* FD_SETSIZE */
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(dup2(pipes[0], fd), fd);
	pid = fork();
	if (!pid)
		_exit(fcntl(fd, F_GETFD) < 0);
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	int before = lowest();
	struct uhmm *u = test_open();

	CHECK_EQ(lowest(), before);
	check_numbers();
	check_child(u);
	test_close(u);
	CHECK_EQ(uhmm_fd_next(0), -1);
	return 0;
}
