// SPDX-License-Identifier: MIT
/*
 * mremap(2) in every form, munmap(2) of every part, mmap(2) over what is there,
 * by the C library and by bare system calls: data are where they should be, and
 * what is new is zeroes.
 */
#include "memory.h"

#define LEN (4 * MIB)
#define MID (LEN / 2)

static void *raw_mremap(void *old, size_t old_len, size_t len, int flags,
			void *to)
{
	return (void *)syscall(SYS_mremap, old, old_len, len, flags, to);
}

/* ---- mremap ---- */

static void shrink(void)
{
	char *p = away(LEN, 1);

	CHECK(mremap(p, LEN, LEN / 4, 0) == p);
	verify(p, LEN / 4, 1);
	CHECK(touch(p + LEN / 4, false) == SIGSEGV);
	CHECK(!munmap(p, LEN / 4));
}

static void grow_here(void)
{
	char *at = room(2 * LEN), *p;

	p = map_at(at, LEN, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	fill(p, LEN, 2);
	push();
	CHECK(mremap(p, LEN, 2 * LEN, 0) == p);
	verify_zero(p + LEN, LEN);
	fill_at(p + LEN, 2, LEN, 2 * LEN);
	push();
	verify(p, 2 * LEN, 2);
	CHECK(!munmap(p, 2 * LEN));
}

static void grow_elsewhere(void)
{
	char *at = room(2 * LEN), *wall, *p, *q;

	p = map_at(at, LEN, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	wall = map_at(at + LEN, PAGE, PROT_READ, MAP_FIXED_NOREPLACE);
	fill(p, LEN, 3);
	push();
	CHECK(mremap(p, LEN, 2 * LEN, 0) == MAP_FAILED && errno == ENOMEM);
	q = mremap(p, LEN, 2 * LEN, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	CHECK(touch(p, false) == SIGSEGV);
	verify(q, LEN, 3);
	verify_zero(q + LEN, LEN);
	CHECK(!munmap(q, 2 * LEN) && !munmap(wall, PAGE));
}

/* Onto another managed mapping, which is gone then. */
static void fixed(void)
{
	char *p = away(LEN, 4), *q = away(2 * LEN, 5);

	CHECK(mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, q + MID) ==
	      q + MID);
	push();
	verify(q, MID, 5);
	verify(q + MID, LEN, 4);
	verify_at(q + MID + LEN, 5, MID + LEN, 2 * LEN);
	CHECK(touch(p, false) == SIGSEGV);
	CHECK(!munmap(q, 2 * LEN));
}

static void part(void)
{
	char *p = away(LEN, 6), *q = room(LEN);

	CHECK(raw_mremap(p + MIB, MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
			 q) == q);
	verify(p, MIB, 6);
	verify_at(q, 6, MIB, 2 * MIB);
	verify_zero(q + MIB, MIB);
	push();
	verify_at(p + 2 * MIB, 6, 2 * MIB, LEN);
	CHECK(touch(p + MIB, false) == SIGSEGV);
	CHECK(!munmap(p, LEN) && !munmap(q, 2 * MIB));
}

static void dont_unmap(void)
{
	char *p = away(LEN, 7), *q;

	q = mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	CHECK(q != MAP_FAILED && q != p);
	verify_zero(p, LEN);
	fill(p, LEN, 8);
	push();
	verify(q, LEN, 7);
	verify(p, LEN, 8);
	/* And back over it. */
	CHECK(mremap(q, LEN, LEN,
		     MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, p) == p);
	verify_zero(q, LEN);
	push();
	verify(p, LEN, 7);
	CHECK(!munmap(p, LEN) && !munmap(q, LEN));
}

/* Another mapping of the same memory, if that is shared. */
static void old_size_zero(void)
{
	char *p = away(LEN, 9), *s, *t;

	CHECK(mremap(p, 0, LEN, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(errno == EINVAL);
	verify(p, LEN, 9);
	s = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		 -1, 0);
	CHECK(s != MAP_FAILED);
	t = mremap(s, 0, LEN, MREMAP_MAYMOVE);
	CHECK(t != MAP_FAILED && t != s);
	fill(s, LEN, 10);
	push();
	verify(t, LEN, 10);
	CHECK(!munmap(p, LEN) && !munmap(s, LEN) && !munmap(t, LEN));
}

static void remap_errors(void)
{
	char *p = away(LEN, 11);
	int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

	CHECK(mremap(p + 1, LEN, LEN, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(errno == EINVAL);
	CHECK(mremap(p, LEN, 0, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(errno == EINVAL);
	CHECK(mremap(p, LEN, LEN, fixed, p + PAGE) == MAP_FAILED);
	CHECK(errno == EINVAL);
	CHECK(mremap(p, LEN, (size_t)1 << 46, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(errno == ENOMEM);
	push();
	verify(p, LEN, 11);
	CHECK(!munmap(p, LEN));
}

/* ---- munmap ---- */

static void unmap_parts(void)
{
	char *p = away(2 * LEN, 12);

	CHECK(!munmap(p, MIB));			/* the front */
	CHECK(!munmap(p + 2 * LEN - MIB, MIB)); /* the end */
	CHECK(!munmap(p + LEN, 3 * PAGE));	/* the middle */
	CHECK(!syscall(SYS_munmap, p + LEN + 8 * PAGE, PAGE));
	push();
	verify_at(p + MIB, 12, MIB, LEN);
	verify_at(p + LEN + 3 * PAGE, 12, LEN + 3 * PAGE, LEN + 8 * PAGE);
	verify_at(p + LEN + 9 * PAGE, 12, LEN + 9 * PAGE, 2 * LEN - MIB);
	CHECK(touch(p, false) == SIGSEGV);
	CHECK(touch(p + LEN + PAGE, false) == SIGSEGV);
	CHECK(touch(p + LEN + 8 * PAGE, false) == SIGSEGV);
	/* New memory at an old address is zero. */
	map_at(p + LEN, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	verify_zero(p + LEN, 3 * PAGE);
	CHECK(!munmap(p, 2 * LEN));
}

static void unmap_alternate(void)
{
	char *p = away(LEN, 13);

	for (size_t i = 0; i < LEN; i += 16 * PAGE)
		CHECK(!munmap(p + i, PAGE));
	push();
	for (size_t i = 0; i < LEN; i += 16 * PAGE)
		verify_at(p + i + PAGE, 13, i + PAGE, i + 16 * PAGE);
	CHECK(!munmap(p, LEN));
}

static void unmap_errors(void)
{
	char *p = away(LEN, 14);

	CHECK(munmap(p + 1, PAGE) && errno == EINVAL);
	CHECK(munmap(p, 0) && errno == EINVAL);
	CHECK(munmap(p, SIZE_MAX - 2 * PAGE) && errno == EINVAL);
	verify(p, LEN, 14);
	CHECK(!munmap(p, LEN));
}

/* ---- mmap over it ---- */

static void over(int prot, int flags, int fd)
{
	char *p = away(LEN, 15), *q;

	q = mmap(p + MIB, MIB, prot, MAP_FIXED | flags, fd, 0);
	CHECK(q == p + MIB);
	if (fd >= 0)
		verify(q, MIB, 16);
	else if (prot & PROT_READ)
		verify_zero(q, MIB);
	else
		CHECK(touch(q, false) == SIGSEGV);
	if (prot & PROT_WRITE)
		fill(q, MIB, 17);
	push();
	verify(p, MIB, 15);
	if (prot & PROT_WRITE)
		verify(q, MIB, 17);
	verify_at(p + 2 * MIB, 15, 2 * MIB, LEN);
	CHECK(!munmap(p, LEN));
}

static int file_with(uint64_t seed)
{
	int fd = memfd_create("memory", 0);
	void *p;

	CHECK(fd >= 0 && !ftruncate(fd, MIB));
	p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	fill(p, MIB, seed);
	CHECK(!munmap(p, MIB));
	return fd;
}

static void map_over(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	int fd = file_with(16);

	over(rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	over(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	over(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	over(rw, MAP_SHARED | MAP_ANONYMOUS, -1);
	over(PROT_READ, MAP_SHARED, fd);
	over(PROT_READ, MAP_PRIVATE, fd);
	over(rw, MAP_PRIVATE, fd);
	over(rw, MAP_SHARED, fd);
	close(fd);
}

static void map_not_over(void)
{
	char *p = away(LEN, 18);

	CHECK(mmap(p + MIB, MIB, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == MAP_FAILED);
	CHECK(errno == EEXIST);
	verify(p, LEN, 18);
	CHECK(!munmap(p, LEN));
}

/* The C library does not know. */
static void map_raw(void)
{
	char *p = away(LEN, 19), *q;

	q = (char *)syscall(SYS_mmap, p + MIB, MIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
	CHECK(q == p + MIB);
	verify_zero(q, MIB);
	fill(q, MIB, 20);
	push();
	verify(p, MIB, 19);
	verify(q, MIB, 20);
	verify_at(p + 2 * MIB, 19, 2 * MIB, LEN);
	CHECK(!syscall(SYS_munmap, p, LEN));
	/* Something of another size at the same addresses. */
	map_at(p, MIB, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	verify_zero(p, MIB);
	CHECK(!munmap(p, MIB));
}

/* ---- mremap of what is managed in part ---- */

/* One mapping for the program, a part of which is new; LEN of it is filled. */
static char *patched(size_t len, uint64_t seed, bool raw)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	const int rw = PROT_READ | PROT_WRITE;
	char *p = map(len), *q = p + MIB;

	fill(p, LEN, seed);
	push();
	if (raw)
		CHECK((char *)syscall(SYS_mmap, q, MIB, rw, flags, -1, 0L) ==
		      q);
	else
		CHECK(mmap(q, MIB, rw, flags, -1, 0) == q);
	fill_at(q, seed, MIB, 2 * MIB);
	push();
	return p;
}

static void patched_grows(size_t len, bool raw)
{
	char *p = patched(len, 21, raw), *q;

	q = mremap(p, len, 2 * len, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	verify(q, LEN, 21);
	CHECK(!munmap(q, 2 * len));
}

static void patched_moves(size_t len, bool raw)
{
	char *p = patched(len, 22, raw), *to = room(len);

	CHECK(mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(touch(p + MIB, false) == SIGSEGV);
	push();
	verify(to, LEN, 22);
	CHECK(!munmap(to, len));
}

static void patch(void)
{
	for (int raw = 0; raw < 2; raw++) {
		patched_grows(LEN, raw);
		patched_moves(LEN, raw);
	}
	patched_grows(80 * MIB, false);
}

static const struct part parts[] = {
	{ "shrink", shrink },
	{ "grow-here", grow_here },
	{ "grow-elsewhere", grow_elsewhere },
	{ "fixed", fixed },
	{ "part", part },
	{ "dont-unmap", dont_unmap },
	{ "old-size-zero", old_size_zero },
	{ "remap-errors", remap_errors },
	{ "unmap-parts", unmap_parts },
	{ "unmap-alternate", unmap_alternate },
	{ "unmap-errors", unmap_errors },
	{ "map-over", map_over },
	{ "map-not-over", map_not_over },
	{ "map-raw", map_raw },
	{ "patched", patch },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
