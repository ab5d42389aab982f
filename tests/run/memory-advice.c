// SPDX-License-Identifier: MIT
/*
 * mprotect(2) and every madvise(2), on memory that is away: each does what it
 * does without us.
 */
#include <sys/uio.h>

#include "memory.h"

#define LEN (4 * MIB)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

/* ---- Protection ---- */

static void protect_none(void)
{
	char *p = away(LEN, 1);

	CHECK(!mprotect(p, LEN, PROT_NONE));
	push();
	CHECK(touch(p + MIB, false) == SIGSEGV);
	CHECK(!mprotect(p, LEN, PROT_READ | PROT_WRITE));
	verify(p, LEN, 1);
	/* Half of it, while the other half is used. */
	CHECK(!mprotect(p, LEN / 2, PROT_NONE));
	fill_at(p + LEN / 2, 1, LEN / 2, LEN);
	push();
	CHECK(!mprotect(p, LEN / 2, PROT_READ));
	verify(p, LEN, 1);
	CHECK(!munmap(p, LEN));
}

static void protect_read(void)
{
	char *p = away(LEN, 2);

	CHECK(!mprotect(p, LEN, PROT_READ));
	CHECK(touch(p + MIB, true) == SIGSEGV);
	verify(p, LEN, 2);
	push();
	CHECK(touch(p + MIB, true) == SIGSEGV);
	verify(p, LEN, 2);
	push();
	CHECK(!mprotect(p + MIB, MIB, PROT_READ | PROT_WRITE));
	fill(p + MIB, MIB, 3);
	push();
	verify(p, MIB, 2);
	verify(p + MIB, MIB, 3);
	verify_at(p + 2 * MIB, 2, 2 * MIB, LEN);
	CHECK(!munmap(p, LEN));
}

/* Never touched, and then to be read only. */
static void protect_untouched(void)
{
	char *p = map(LEN);

	push();
	CHECK(!mprotect(p, LEN, PROT_READ));
	verify_zero(p, LEN);
	CHECK(touch(p, true) == SIGSEGV);
	CHECK(!mprotect(p, LEN, PROT_READ | PROT_WRITE));
	fill(p, LEN, 4);
	push();
	verify(p, LEN, 4);
	CHECK(!munmap(p, LEN));
}

/* ---- Advice ---- */

static void harmless(void)
{
	static const int advice[] = {
		MADV_NORMAL,	 MADV_RANDOM,	      MADV_SEQUENTIAL,
		MADV_WILLNEED,	 MADV_COLD,	      MADV_PAGEOUT,
		MADV_HUGEPAGE,	 MADV_COLLAPSE,	      MADV_NOHUGEPAGE,
		MADV_DONTFORK,	 MADV_DOFORK,	      MADV_DONTDUMP,
		MADV_DODUMP,	 MADV_MERGEABLE,      MADV_UNMERGEABLE,
		MADV_WIPEONFORK, MADV_KEEPONFORK,     MADV_POPULATE_READ,
		MADV_REMOVE,	 MADV_POPULATE_WRITE,
	};
	char *p = away(LEN, 5);

	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		madvise(p, LEN, advice[i]);
		if (i % 4 == 3)
			push();
		if (i % 8 == 7)
			verify(p, LEN, 5);
	}
	verify(p, LEN, 5);
	CHECK(!munmap(p, LEN));
}

/* ---- Hints that are followed ---- */

static size_t nr_there(void *p, size_t len)
{
	unsigned char there[LEN / PAGE];
	size_t n = 0;

	CHECK(!mincore(p, len, there));
	for (size_t i = 0; i < len / PAGE; i++)
		n += there[i] & 1;
	return n;
}

/* Nothing leaves RAM without us, but for a system's own swap. */
static bool is_managed(void)
{
	return getenv("MEMORY_LIMITED") != NULL;
}

static void expect_away(char *p, size_t len)
{
	if (is_managed())
		CHECK(nr_there(p, len) == 0);
}

static void page_out(void)
{
	char *p = map(LEN);

	fill(p, LEN / 2, 20);
	CHECK(!madvise(p, LEN, MADV_PAGEOUT));
	expect_away(p, LEN);
	verify(p, LEN / 2, 20);
	CHECK(!munmap(p + LEN / 2, PAGE));
	CHECK(madvise(p, LEN, MADV_PAGEOUT) && errno == ENOMEM);
	expect_away(p, LEN / 4);
	verify(p, LEN / 2, 20);
	CHECK(madvise(p + 1, LEN, MADV_PAGEOUT) && errno == EINVAL);
	CHECK(!munmap(p, LEN));
}

/* Some of it comes home by itself. */
static void will_need(void)
{
	char *p = map(LEN);

	fill(p, LEN / 4, 21);
	CHECK(!madvise(p, LEN / 4, MADV_PAGEOUT));
	for (int i = 0; i < 5000 && !nr_there(p, LEN / 4); i++) {
		/* once is enough, unless there was no room */
		if (i % 100 == 0)
			CHECK(!madvise(p, LEN / 4, MADV_WILLNEED));
		usleep(1000);
	}
	CHECK(nr_there(p, LEN / 4) > 0);
	verify(p, LEN / 4, 21);
	CHECK(!munmap(p, LEN));
}

/* How many pages a touch of the middle brings home. */
static size_t brought(char *p, int advice)
{
	CHECK(!posix_madvise(p, LEN / 4, advice));
	CHECK(!madvise(p, LEN / 4, MADV_PAGEOUT));
	touch(p + LEN / 8, false);
	return nr_there(p, LEN / 4);
}

static void order(void)
{
	char *p = map(LEN);

	fill(p, LEN / 4, 22);
	if (is_managed()) {
		CHECK(brought(p, POSIX_MADV_RANDOM) == 1);
		CHECK(brought(p, POSIX_MADV_SEQUENTIAL) == 64);
		CHECK(brought(p, POSIX_MADV_NORMAL) == 1);
	}
	errno = 77;
	CHECK(posix_madvise(p, LEN / 4, 1 << 20) == EINVAL);
	CHECK(posix_madvise(p + 1, LEN / 4, POSIX_MADV_NORMAL) == EINVAL);
	CHECK(!posix_madvise(p, LEN / 4, POSIX_MADV_DONTNEED));
	CHECK(errno == 77);
	verify(p, LEN / 4, 22);
	CHECK(!munmap(p, LEN));
}

/* Before Linux 6.13 this wants privilege. */
static void of_itself(void)
{
	char *p = map(LEN);
	struct iovec v[2] = { { p, MIB }, { p + 2 * MIB, MIB } };
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	long n;

	fill(p, LEN / 2, 23);
	CHECK(fd >= 0);
	n = process_madvise(fd, v, 2, MADV_PAGEOUT, 0);
	if (n == (long)(2 * MIB)) {
		expect_away(p, MIB);
		n = syscall(SYS_process_madvise, fd, v, 1L, MADV_WILLNEED, 0L);
		CHECK(n == (long)MIB);
	}
	CHECK(process_madvise(fd, v, 1, MADV_PAGEOUT, 1) == -1);
	CHECK(process_madvise(-1, v, 1, MADV_PAGEOUT, 0) == -1);
	CHECK(process_madvise(fd, NULL, 1, MADV_PAGEOUT, 0) == -1);
	CHECK(!close(fd));
	verify(p, LEN / 2, 23);
	CHECK(!munmap(p, LEN));
}

static void populate(void)
{
	char *p = away(LEN, 6), *q = map(LEN);
	unsigned char there[LEN / PAGE];

	CHECK(!madvise(p, MIB, MADV_POPULATE_READ));
	CHECK(!madvise(p + MIB, MIB, MADV_POPULATE_WRITE));
	CHECK(!madvise(q, MIB, MADV_POPULATE_WRITE));
	CHECK(!mincore(q, MIB, there) && there[1] & 1);
	verify(p, LEN, 6);
	verify_zero(q, LEN);
	CHECK(!mprotect(p, PAGE, PROT_NONE));
	CHECK(madvise(p, LEN, MADV_POPULATE_READ) && errno == EINVAL);
	CHECK(!munmap(p, MIB));
	CHECK(madvise(p, LEN, MADV_POPULATE_READ) && errno == ENOMEM);
	CHECK(!munmap(p, LEN) && !munmap(q, LEN));
}

static void discard(void)
{
	char *p = away(LEN, 7);

	CHECK(!madvise(p, MIB, MADV_DONTNEED));
	verify_zero(p, MIB);
	CHECK(!syscall(SYS_madvise, p + MIB, MIB, MADV_DONTNEED_LOCKED));
	verify_zero(p + MIB, MIB);
	verify_at(p + 2 * MIB, 7, 2 * MIB, LEN);
	CHECK(!munmap(p, LEN));
}

/* A page that is written to after it was freed keeps that. */
static void freed(void)
{
	char *p = away(LEN, 8);

	CHECK(!madvise(p, MIB, MADV_FREE));
	fill(p, MIB / 2, 9);
	push();
	verify(p, MIB / 2, 9);
	for (size_t i = MIB / 2; i < MIB; i += PAGE) {
		uint64_t w = *(uint64_t *)(p + i);

		CHECK(w == 0 || w == word_of(8, i / 8));
	}
	verify_at(p + MIB, 8, MIB, LEN);
	CHECK(!munmap(p, LEN));
}

static void guard(void)
{
	char *p = away(LEN, 10);

	if (madvise(p, PAGE, MADV_GUARD_REMOVE) && errno == EINVAL) {
		CHECK(!munmap(p, LEN));
		return; /* before Linux 6.13 */
	}
	CHECK(!madvise(p + MIB, MIB, MADV_GUARD_INSTALL));
	CHECK(touch(p + MIB, false) == SIGSEGV);
	push();
	CHECK(touch(p + 2 * MIB - 1, false) == SIGSEGV);
	verify(p, MIB, 10);
	CHECK(!madvise(p + MIB, MIB, MADV_GUARD_REMOVE));
	verify_zero(p + MIB, MIB);
	fill(p + MIB, MIB, 11);
	push();
	verify(p + MIB, MIB, 11);
	verify_at(p + 2 * MIB, 10, 2 * MIB, LEN);
	CHECK(!munmap(p, LEN));
}

static void has_zeroes(void *p)
{
	verify_zero(p, LEN);
}

static void has_data(void *p)
{
	verify(p, LEN, 12);
}

/* Something else may be there by now. */
static void not_there(void *p)
{
	if (!touch(p, false))
		verify_zero(p, PAGE);
}

static void across_fork(void)
{
	char *p = away(LEN, 12);

	CHECK(!madvise(p, LEN, MADV_WIPEONFORK));
	CHECK(in_child(has_zeroes, p) == 0);
	CHECK(!madvise(p, LEN, MADV_KEEPONFORK));
	push();
	CHECK(in_child(has_data, p) == 0);
	CHECK(!madvise(p, LEN, MADV_DONTFORK));
	push();
	CHECK(in_child(not_there, p) == 0);
	verify(p, LEN, 12);
	CHECK(!madvise(p, LEN, MADV_DOFORK));
	CHECK(in_child(has_data, p) == 0);
	CHECK(!munmap(p, LEN));
}

static void huge(void)
{
	char *p = map(3 * LEN), *q;

	q = (char *)(((uintptr_t)p + 2 * MIB - 1) & ~(2 * MIB - 1));
	madvise(q, 2 * LEN, MADV_HUGEPAGE);
	fill(q, 2 * LEN, 13);
	push();
	verify(q, 2 * LEN, 13);
	madvise(q, 2 * LEN, MADV_COLLAPSE);
	CHECK(!madvise(q + MIB, PAGE, MADV_DONTNEED));
	push();
	verify_zero(q + MIB, PAGE);
	verify_at(q + MIB + PAGE, 13, MIB + PAGE, 2 * LEN);
	CHECK(!munmap(p, 3 * LEN));
}

static void names(void)
{
	char *p = away(LEN, 14);

	/* PR_SET_VMA, PR_SET_VMA_ANON_NAME; may be refused */
	syscall(SYS_prctl, 0x53564d41, 0, p + MIB, MIB, "name");
	push();
	verify(p, LEN, 14);
	CHECK(!munmap(p, LEN));
}

static const struct part parts[] = {
	{ "protect-none", protect_none },
	{ "protect-read", protect_read },
	{ "protect-untouched", protect_untouched },
	/* before pages are asked to come home by and by, at any address */
	{ "page-out", page_out },
	{ "order", order },
	{ "of-itself", of_itself },
	{ "harmless", harmless },
	{ "will-need", will_need },
	{ "populate", populate },
	{ "discard", discard },
	{ "freed", freed },
	{ "guard", guard },
	{ "across-fork", across_fork },
	{ "huge", huge },
	{ "names", names },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
