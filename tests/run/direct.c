// SPDX-License-Identifier: MIT
/*
 * direct [PART...]: transfers of files with O_DIRECT, each larger than the
 * limit, from memory that is away and into memory that is, or was never
 * touched.  What the calls return, where they leave the file's position and
 * what they refuse is as ever.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "memory.h"

#define LEN  (6 * MIB)
#define NR   16
#define ODD  1000 /* bytes behind the last block */
#define SKIP 77

/* A file that is gone with its descriptor. */
static int new_file(int flags)
{
	char path[] = "/var/tmp/uhmm-direct-XXXXXX";
	int fd = mkstemp(path), direct;

	CHECK(fd >= 0);
	direct = open(path, O_RDWR | O_DIRECT | flags);
	CHECK(!unlink(path) && !close(fd));
	if (direct < 0 && errno == EINVAL) {
		fprintf(stderr, "skipped: there is no O_DIRECT in /var/tmp\n");
		_exit(SKIP);
	}
	CHECK(direct >= 0);
	return direct;
}

static int filled_file(uint64_t seed)
{
	char *p = away(LEN, seed);
	int fd = new_file(0);

	CHECK(pwrite(fd, p, LEN, 0) == LEN);
	CHECK(!munmap(p, LEN));
	return fd;
}

static off_t size_of(int fd)
{
	struct stat st;

	CHECK(!fstat(fd, &st));
	return st.st_size;
}

static void positions(void)
{
	int fd = filled_file(1);
	char *p = map(LEN), *q = away(LEN, 2);

	CHECK(pread(fd, p, LEN, 0) == LEN);
	verify(p, LEN, 1);
	push();
	CHECK(pwrite(fd, p, LEN, MIB) == LEN && size_of(fd) == LEN + MIB);
	CHECK(pread(fd, q, LEN, MIB) == LEN);
	verify(q, LEN, 1);
	CHECK(pread(fd, q, LEN, LEN) == MIB);
	verify_at(q, 1, LEN - MIB, LEN);
	CHECK(!pread(fd, q, LEN, LEN + MIB));
	CHECK(!lseek(fd, 0, SEEK_CUR));
	CHECK(!close(fd) && !munmap(p, LEN) && !munmap(q, LEN));
}

static void streams(void)
{
	int fd = new_file(0);
	char *p = away(LEN, 1), *q = map(LEN);

	CHECK(write(fd, p, LEN) == LEN && lseek(fd, 0, SEEK_CUR) == LEN);
	CHECK(write(fd, p, MIB) == MIB && size_of(fd) == LEN + MIB);
	CHECK(lseek(fd, MIB, SEEK_SET) == MIB);
	CHECK(!ftruncate(fd, LEN - ODD));
	CHECK(read(fd, q, LEN) == LEN - MIB - ODD);
	CHECK(lseek(fd, 0, SEEK_CUR) == LEN - ODD);
	verify_at(q, 1, MIB, LEN - ODD);
	CHECK(lseek(fd, LEN, SEEK_SET) == LEN && !read(fd, q, LEN));
	CHECK(lseek(fd, 0, SEEK_CUR) == LEN);
	CHECK(!close(fd) && !munmap(p, LEN) && !munmap(q, LEN));
}

static void appends(void)
{
	int fd = new_file(O_APPEND);
	char *p = away(LEN, 1), *q = map(LEN);

	CHECK(write(fd, p, LEN) == LEN && size_of(fd) == LEN);
	CHECK(!lseek(fd, 0, SEEK_SET));
	push();
	CHECK(write(fd, p, LEN) == LEN && size_of(fd) == 2 * LEN);
	CHECK(pread(fd, q, LEN, LEN) == LEN);
	verify(q, LEN, 1);
	CHECK(!close(fd) && !munmap(p, LEN) && !munmap(q, LEN));
}

/* Pieces of several sizes, in an order of their own. */
static void cut(char *p, struct iovec vec[NR])
{
	size_t at = 0;

	for (size_t i = 0; i < NR; i++) {
		size_t len = i + 1 < NR ? (i + 1) * 21 * PAGE / 2 & ~511UL :
					  LEN - at;

		vec[i] = (struct iovec){ p + at, len };
		at += len;
	}
}

static void vectors(void)
{
	int fd = new_file(0);
	char *p = away(LEN, 1), *q = map(LEN);
	struct iovec in[NR], out[NR];

	cut(p, in);
	cut(q, out);
	CHECK(pwritev(fd, in, NR, 0) == LEN);
	CHECK(preadv2(fd, out, NR, 0, 0) == LEN);
	verify(q, LEN, 1);
	fill(q, LEN, 2);
	push();
	CHECK(writev(fd, out, NR) == LEN && lseek(fd, 0, SEEK_CUR) == LEN);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	push();
	CHECK(readv(fd, in, NR) == LEN && lseek(fd, 0, SEEK_CUR) == LEN);
	verify(p, LEN, 2);
	CHECK(pwritev2(fd, in, NR, LEN, 0) == LEN);
	CHECK(preadv(fd, out, NR, 2 * LEN - PAGE) == PAGE);
	verify_at(q, 2, LEN - PAGE, LEN);
	CHECK(!close(fd) && !munmap(p, LEN) && !munmap(q, LEN));
}

/* ---- Threads ------------------------------------------------------------- */

/* A thread's read at the file's position gets one part in one piece. */
static void *read_half(void *fd)
{
	uint64_t *p = map(LEN / 2);
	uint64_t first;

	CHECK(read(*(int *)fd, p, LEN / 2) == LEN / 2);
	first = p[0] == word_of(1, 0) ? 0 : LEN / 2;
	verify_at(p, 1, first, first + LEN / 2);
	CHECK(!munmap(p, LEN / 2));
	return (void *)(uintptr_t)(first + 1);
}

static void threads(void)
{
	int fd = filled_file(1);
	void *first, *second;
	pthread_t t;

	for (int i = 0; i < 4; i++) {
		CHECK(!lseek(fd, 0, SEEK_SET));
		CHECK(!pthread_create(&t, NULL, read_half, &fd));
		first = read_half(&fd);
		CHECK(!pthread_join(t, &second) && first != second);
	}
	CHECK(!close(fd));
}

/* The device writes to pages that leave as soon as they may. */
static atomic_bool done;

static void *use_others(void *p)
{
	for (uint64_t seed = 1; !done; seed++)
		fill(p, LEN, seed);
	return NULL;
}

static void moving(void)
{
	char *p = map(LEN), *q = map(LEN);
	int fd = filled_file(1), other = filled_file(2);
	pthread_t t;

	CHECK(!pthread_create(&t, NULL, use_others, q));
	for (int i = 0; i < 4; i++) {
		CHECK(pread(i & 1 ? other : fd, p, LEN, 0) == LEN);
		verify(p, LEN, i & 1 ? 2 : 1);
	}
	done = true;
	CHECK(!pthread_join(t, NULL));
	CHECK(!close(fd) && !close(other));
	CHECK(!munmap(p, LEN) && !munmap(q, LEN));
}

/* ---- Refused ------------------------------------------------------------- */

static void refused(void)
{
	int fd = filled_file(1);
	char *p = map(LEN), *hole = p + 4 * MIB;

	CHECK(pread(fd, p + 1, LEN - PAGE, 0) < 0 && errno == EINVAL);
	CHECK(pread(fd, p, LEN, 1) < 0 && errno == EINVAL);
	CHECK(pread(fd, p, LEN, -1) < 0 && errno == EINVAL);
	CHECK(read(-1, p, LEN) < 0 && errno == EBADF);
	CHECK(!munmap(hole, PAGE));
	CHECK(pread(fd, hole, PAGE, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, p, LEN, 0) <= (ssize_t)(4 * MIB));
	CHECK(!close(fd) && !munmap(p, 4 * MIB));
}

/* A pipe with O_DIRECT keeps packets apart. */
static void packets(void)
{
	char *p = away(LEN, 1), *q = map(LEN);
	int fd[2];

	CHECK(!pipe2(fd, O_DIRECT));
	CHECK(write(fd[1], p, 1000) == 1000 && write(fd[1], p, 512) == 512);
	CHECK(write(fd[1], p, 2 * PAGE) == 2 * PAGE);
	push();
	CHECK(read(fd[0], q, LEN) == 1000 && read(fd[0], q, 256) == 256);
	CHECK(read(fd[0], q, LEN) == PAGE && read(fd[0], q, LEN) == PAGE);
	verify_at(q, 1, PAGE, 2 * PAGE);
	CHECK(!close(fd[0]) && !close(fd[1]));
	CHECK(!munmap(p, LEN) && !munmap(q, LEN));
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{ "positions", positions }, { "streams", streams },
		{ "appends", appends },	    { "vectors", vectors },
		{ "threads", threads },	    { "moving", moving },
		{ "refused", refused },	    { "packets", packets },
	};

	return RUN_PARTS(parts, argc, argv);
}
