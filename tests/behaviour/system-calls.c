// SPDX-License-Identifier: MIT
/*
 * System calls on memory that is away work in threads mode, and bring it home;
 * inline they fail with EFAULT, as documented, and work after a touch.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../context.h"

#define LEN (8 * PAGE)

static struct uhmm *u;
static struct uhmm_device *dev;
static bool works;
static char plain[8 * MAX_PAGE];

static void *away(uint64_t seed)
{
	char *p = test_map_blocks(1);

	test_fill(p, 16, seed);
	test_move(u, p, 16, dev);
	return p;
}

static void check(ssize_t ret, ssize_t want)
{
	if (works) {
		CHECK_EQ(ret, want);
	} else {
		CHECK_EQ(ret, -1);
		CHECK_EQ(errno, EFAULT);
	}
}

static void check_pipe(void)
{
	char *out = away(1), *in = away(2);
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	check(write(fd[1], out, LEN), LEN);
	if (!works) {
		test_verify(out, 16, 1);
		CHECK_EQ(write(fd[1], out, LEN), LEN);
	}
	check(read(fd[0], in, LEN), LEN);
	if (!works) {
		memset(in, 0, LEN);
		CHECK_EQ(read(fd[0], in, LEN), LEN);
	}
	test_verify(in, LEN / PAGE, 1);
	close(fd[0]);
	close(fd[1]);
}

static void check_vectors(void)
{
	char *a = away(3), *b = away(4);
	struct iovec away_vec[2] = { { a, PAGE }, { b + PAGE, PAGE } };
	struct iovec plain_vec = { plain, 2 * PAGE };
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	check(writev(fd[1], away_vec, 2), 2 * PAGE);
	if (works) {
		CHECK_EQ(read(fd[0], plain, 2 * PAGE), 2 * PAGE);
		CHECK_EQ(memcmp(plain, a, PAGE), 0);
		CHECK_EQ(memcmp(plain + PAGE, b + PAGE, PAGE), 0);
	}
	test_move(u, a, 16, dev);
	memset(plain, 'x', 2 * PAGE);
	check(process_vm_writev(getpid(), &plain_vec, 1, away_vec, 1, 0), PAGE);
	CHECK_EQ(a[0] == 'x', works);
	test_move(u, a, 16, dev);
	check(process_vm_readv(getpid(), &plain_vec, 1, away_vec, 1, 0), PAGE);
	close(fd[0]);
	close(fd[1]);
}

static void check_futex(void)
{
	uint32_t *word = away(5);
	long ret = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 12345, NULL);

	CHECK_EQ(ret, -1);
	CHECK_EQ(errno, works ? EAGAIN : EFAULT);
	test_verify(word, 16, 5);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	works = test_has(u, "threads") && test_has(u, "kernel-faults");
	check_pipe();
	check_vectors();
	check_futex();
	test_close(u);
	return 0;
}
