// SPDX-License-Identifier: MIT
/*
 * Two processes with a context each, one the other's child: neither disturbs
 * the other, and one reads the other's memory that is away as if it were there.
 */
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES 300

static void ping(int fd)
{
	CHECK_EQ(write(fd, "x", 1), 1);
}

static void pong(int fd)
{
	char c;

	CHECK_EQ(read(fd, &c, 1), 1);
}

static void move_all(char *p, uint64_t seed)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:4M");

	for (uint64_t i = 0; i < 20; i++) {
		test_fill(p, NPAGES, seed + i);
		test_move(u, p, NPAGES, dev);
		test_verify(p, NPAGES, seed + i);
	}
	test_close(u);
}

/* The child reads the pages that its parent has on a device. */
static void check_peek(pid_t pid, const char *p)
{
	static char buf[NPAGES * MAX_PAGE];
	struct iovec to = { buf, NPAGES * PAGE };
	struct iovec from = { (void *)(uintptr_t)p, NPAGES * PAGE };

	CHECK_EQ(process_vm_readv(pid, &to, 1, &from, 1, 0), NPAGES * PAGE);
	test_verify(buf, NPAGES, 7);
}

int main(void)
{
	char *p = test_map_blocks(1);
	int down[2], up[2], status;
	struct uhmm_device *dev;
	struct uhmm *u;
	bool serves;
	pid_t pid;

	CHECK_EQ(pipe(down), 0);
	CHECK_EQ(pipe(up), 0);
	test_fill(p, NPAGES, 7);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char yes;

		move_all(p, 100);
		ping(up[1]);
		CHECK_EQ(read(down[0], &yes, 1), 1);
		if (yes == 'y')
			check_peek(getppid(), p);
		_exit(0);
	}
	prctl(PR_SET_PTRACER, pid, 0, 0, 0);
	move_all(p, 200);
	pong(up[0]);
	u = test_open();
	dev = test_device(u, "ram:4M");
	test_fill(p, NPAGES, 7);
	test_move(u, p, NPAGES, dev);
	serves = test_has(u, "threads") && test_has(u, "kernel-faults");
	CHECK_EQ(write(down[1], serves ? "y" : "n", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	test_verify(p, NPAGES, 7);
	test_close(u);
	return 0;
}
