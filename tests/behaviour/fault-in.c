// SPDX-License-Identifier: MIT
/*
 * uhmm_fault_in() makes any memory good for a system call, in any mode: pages
 * that are away and pages never touched.  What is no good is an error, and no
 * signal.
 */
#include "../context.h"

#define LEN (16 * PAGE)

static struct uhmm *u;
static struct uhmm_device *dev;
static int fd[2];

static char *away(uint64_t seed)
{
	char *p = test_map_blocks(1);

	test_fill(p, 16, seed);
	test_move(u, p, 16, dev);
	return p;
}

static void check_read(void)
{
	char *p = away(1);

	CHECK(uhmm_fault_in(u, p + 1, LEN - 2, false) > 0);
	CHECK_EQ(write(fd[1], p, LEN), LEN);
	CHECK_EQ(uhmm_fault_in(u, p, LEN, false), 0);
}

static void check_write(void)
{
	char *p = away(2), *q = test_map_blocks(1);

	CHECK(uhmm_fault_in(u, p, LEN, true) > 0);
	CHECK_EQ(read(fd[0], p, LEN / 2), LEN / 2);
	test_verify(p, 8, 1);
	CHECK_EQ(uhmm_register(u, q, BLOCK), 0);
	CHECK(uhmm_fault_in(u, q, LEN, true) > 0);
	CHECK_EQ(read(fd[0], q, LEN / 2), LEN / 2);
	CHECK_EQ(((uint64_t *)q)[5], test_word(1, LEN / 2 / 8 + 5));
	CHECK_EQ(test_count_on(u, q, 16, dev), 0);
}

/* As far as the program has access, and no further. */
static void check_access(void)
{
	char *p = away(3);

	CHECK_EQ(mprotect(p + 4 * PAGE, 12 * PAGE, PROT_READ), 0);
	CHECK(uhmm_fault_in(u, p, LEN, true) > 0);
	CHECK(test_count_on(u, p, 16, NULL) < 16);
	CHECK_EQ(uhmm_fault_in(u, p + 4 * PAGE, 1, true), -EFAULT);
	CHECK(uhmm_fault_in(u, p + 12 * PAGE, 1, false) >= 0);
	CHECK_EQ(mprotect(p + 8 * PAGE, PAGE, PROT_NONE), 0);
	CHECK_EQ(uhmm_fault_in(u, p + 8 * PAGE, 1, false), -EFAULT);
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_EQ(uhmm_fault_in(u, p, LEN, false), -EFAULT);
	test_move(u, p + PAGE, 3, dev);
}

/* Stack, static data, nonsense. */
static void check_foreign(void)
{
	char local[100];
	static char zeroes[3 * MAX_PAGE];

	CHECK_EQ(uhmm_fault_in(u, local, sizeof(local), true), 0);
	CHECK_EQ(uhmm_fault_in(u, zeroes, sizeof(zeroes), true), 0);
	CHECK_EQ(uhmm_fault_in(u, "text", 5, false), 0);
	CHECK_EQ(uhmm_fault_in(u, local, 0, true), 0);
	CHECK_EQ(uhmm_fault_in(u, NULL, 1, false), -EFAULT);
	CHECK_EQ(uhmm_fault_in(u, local, SIZE_MAX, false), -EFAULT);
	CHECK_EQ(uhmm_fault_in(u, (void *)-PAGE, 1, false), -EFAULT);
	CHECK_EQ(uhmm_fault_in(NULL, local, 1, false), -EINVAL);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	CHECK_EQ(pipe(fd), 0);
	check_read();
	check_write();
	check_access();
	check_foreign();
	test_close(u);
	return 0;
}
