// SPDX-License-Identifier: MIT
/*
 * large FILE: calls on a buffer that is larger than all RAM that there is, so
 * that what was brought home for one leaves again before it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../test.h"

#define LEN ((size_t)8 << 20)
#define NR  4 /* parts of a vector */

static void fill(uint64_t *p, uint64_t seed)
{
	for (size_t i = 0; i < LEN / sizeof(*p); i++)
		p[i] = seed + i;
}

static void verify(const uint64_t *p, uint64_t seed)
{
	for (size_t i = 0; i < LEN / sizeof(*p); i++)
		CHECK_EQ(p[i], seed + i);
}

static void in_one(int fd, char *p)
{
	fill((uint64_t *)p, 1);
	CHECK_EQ(write(fd, p, LEN), LEN);
	fill((uint64_t *)p, 2);
	CHECK_EQ(pread(fd, p, LEN, 0), LEN);
	verify((uint64_t *)p, 1);
	fill((uint64_t *)p, 3);
	CHECK_EQ(pwrite(fd, p, LEN, 0), LEN);
	fill((uint64_t *)p, 4);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(read(fd, p, LEN), LEN);
	verify((uint64_t *)p, 3);
}

static void in_parts(int fd, char *p)
{
	struct iovec vec[NR];

	for (size_t i = 0; i < NR; i++)
		vec[i] = (struct iovec){ p + i * (LEN / NR), LEN / NR };
	fill((uint64_t *)p, 5);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(writev(fd, vec, NR), LEN);
	fill((uint64_t *)p, 6);
	CHECK_EQ(preadv(fd, vec, NR, 0), LEN);
	verify((uint64_t *)p, 5);
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_CREAT | O_RDWR, 0600) : -1;
	char *p = malloc(LEN);

	CHECK(fd >= 0 && p);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		in_one(fd, p);
		in_parts(fd, p);
	}
	free(p);
	return 0;
}
