// SPDX-License-Identifier: MIT
/* space_ops.c - what changes an address space, and what is to be read then */
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "space.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static int file; /* RUN pages of zeroes */

void open_spare_file(void)
{
	file = memfd_create("zeroes", MFD_CLOEXEC);
	CHECK(file >= 0);
	CHECK_EQ(ftruncate(file, (off_t)(RUN * PAGE)), 0);
}

void pause_at_random(struct changer *c)
{
	size_t n = test_below(&c->seed, 4) ? 0 : test_below(&c->seed, 20000);

	if (!test_below(&c->seed, 8))
		sched_yield();
	while (n--)
		__asm__ volatile("" ::: "memory");
}

void map_anon(char *p, size_t n, int flags)
{
	CHECK(mmap(p, n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0) == p);
}

static void expect_zero(size_t i, size_t n)
{
	memset(want + i, 0, n * sizeof(*want));
}

void fill(struct changer *c, size_t i, size_t n)
{
	for (c->tag++; n--; i++) {
		want[i] = c->tag << 8 | i;
		*(volatile uint64_t *)at(i) = want[i];
	}
}

/* ---- New memory -------------------------------------------------------- */

static bool map_over(struct changer *c, size_t i, size_t n)
{
	(void)c;
	map_anon(at(i), n, MAP_FIXED);
	expect_zero(i, n);
	return true;
}

static bool unmap(struct changer *c, size_t i, size_t n)
{
	CHECK_EQ(munmap(at(i), n * PAGE), 0);
	pause_at_random(c);
	map_anon(at(i), n, MAP_FIXED_NOREPLACE);
	expect_zero(i, n);
	return true;
}

static bool map_file(struct changer *c, size_t i, size_t n)
{
	CHECK(mmap(at(i), n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED, file, 0) == at(i));
	pause_at_random(c);
	for (size_t k = i; k < i + n; k++)
		CHECK_EQ(word_at(at(k)), 0);
	return map_over(c, i, n);
}

/* ---- Advice ------------------------------------------------------------ */

static bool dontneed(struct changer *c, size_t i, size_t n)
{
	(void)c;
	CHECK_EQ(madvise(at(i), n * PAGE, MADV_DONTNEED), 0);
	expect_zero(i, n);
	return true;
}

/* Old data or zeroes, until it is written to. */
static bool free_pages(struct changer *c, size_t i, size_t n)
{
	CHECK_EQ(madvise(at(i), n * PAGE, MADV_FREE), 0);
	pause_at_random(c);
	for (size_t k = i; k < i + n; k++) {
		uint64_t got = word_at(at(k));

		CHECK(!got || got == want[k]);
	}
	fill(c, i, n);
	return true;
}

/* Of a file only: here it changes nothing. */
static bool remove_pages(struct changer *c, size_t i, size_t n)
{
	(void)c;
	CHECK_EQ(madvise(at(i), n * PAGE, MADV_REMOVE), -1);
	CHECK_EQ(errno, EINVAL);
	return true;
}

/* Where the kernel can, it is one huge page then. */
static bool collapse(struct changer *c, size_t i, size_t n)
{
	(void)c;
	(void)n;
	madvise((char *)((uintptr_t)at(i) & ~(BLOCK - 1)), BLOCK,
		MADV_COLLAPSE);
	return true;
}

/* ---- Remaps ------------------------------------------------------------ */

/* All at once, or where that is several mappings by now, one by one. */
static void remap(char *from, char *to, size_t n, int flags)
{
	flags |= MREMAP_MAYMOVE | MREMAP_FIXED;
	/* A call that fails half way must not be made again. */
	if (!(flags & MREMAP_DONTUNMAP) &&
	    mremap(from, n * PAGE, n * PAGE, flags, to) == to)
		return;
	for (; n--; from += PAGE, to += PAGE)
		CHECK(mremap(from, PAGE, PAGE, flags, to) == to ||
		      errno == EFAULT); /* it has moved already */
}

/* Of the run: as many pages as @n, or less, beside the @n at @i. */
static size_t beside(size_t i, size_t *n)
{
	size_t first = i / RUN * RUN;

	if (*n > RUN / 2)
		*n = RUN / 2;
	if (i + 2 * *n <= first + RUN)
		return i + *n;
	if (*n > i - first)
		*n = i - first;
	return i - *n;
}

/* The pages from @to on have what those from @i on had. */
static void note_moved(struct changer *c, size_t i, size_t to, size_t n)
{
	memmove(want + to, want + i, n * sizeof(*want));
	if (test_below(&c->seed, 2))
		verify(c, to, to + n);
}

static bool remap_onto(struct changer *c, size_t i, size_t n)
{
	size_t to = beside(i, &n);

	remap(at(i), at(to), n, 0);
	note_moved(c, i, to, n);
	return map_over(c, i, n);
}

static bool remap_empty(struct changer *c, size_t i, size_t n)
{
	size_t to = beside(i, &n);

	remap(at(i), at(to), n, MREMAP_DONTUNMAP);
	note_moved(c, i, to, n);
	expect_zero(i, n);
	return true;
}

static void look_at_spare(size_t i, size_t n)
{
	for (size_t k = 0; k < n; k++)
		CHECK_EQ(word_at(spare_at(i) + k * PAGE), want[i + k]);
}

static bool remap_away(struct changer *c, size_t i, size_t n)
{
	remap(at(i), spare_at(i), n, 0);
	pause_at_random(c);
	if (test_below(&c->seed, 2))
		look_at_spare(i, n);
	remap(spare_at(i), at(i), n, 0);
	return true;
}

/* The mapping grows as it goes away, and shrinks as it comes back. */
static bool grow_away(struct changer *c, size_t i, size_t n)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *to = spare_at(i);

	if (mremap(at(i), n * PAGE, 2 * n * PAGE, flags, to) != to) {
		CHECK_EQ(errno, EFAULT); /* several mappings */
		return false;
	}
	pause_at_random(c);
	if (test_below(&c->seed, 2))
		look_at_spare(i, n);
	for (size_t k = n; k < 2 * n; k++)
		CHECK_EQ(word_at(to + k * PAGE), 0);
	CHECK(mremap(to, 2 * n * PAGE, n * PAGE, flags, at(i)) == at(i));
	return true;
}

static bool shrink(struct changer *c, size_t i, size_t n)
{
	if (n < 2 || mremap(at(i), n * PAGE, PAGE, 0) != at(i))
		return false;
	pause_at_random(c);
	map_anon(at(i + 1), n - 1, MAP_FIXED_NOREPLACE);
	expect_zero(i + 1, n - 1);
	return true;
}

static bool grow(struct changer *c, size_t i, size_t n)
{
	if (i % RUN == 0)
		return false;
	CHECK_EQ(munmap(at(i), n * PAGE), 0);
	pause_at_random(c);
	CHECK(mremap(at(i - 1), PAGE, (n + 1) * PAGE, 0) == at(i - 1));
	expect_zero(i, n);
	return true;
}

/* An old size of 0 means a second mapping: never of private memory. */
static bool twice(struct changer *c, size_t i, size_t n)
{
	(void)c;
	CHECK(mremap(at(i), 0, n * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	return true;
}

/* ---- The rest ---------------------------------------------------------- */

static bool protect(struct changer *c, size_t i, size_t n)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_EXEC };

	CHECK_EQ(mprotect(at(i), n * PAGE, prots[test_below(&c->seed, 3)]), 0);
	pause_at_random(c);
	CHECK_EQ(mprotect(at(i), n * PAGE, PROT_READ | PROT_WRITE), 0);
	return true;
}

static void write_heap(struct changer *c, char *p, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		CHECK_EQ(word_at(p + k * PAGE), 0);
		*(volatile uint64_t *)(p + k * PAGE) = c->tag << 8 | k;
	}
}

/* The break goes up and down: what comes back is new. */
static bool move_break(struct changer *c, size_t i, size_t n)
{
	char *p = sbrk(0);
	size_t rest = -(uintptr_t)p & (PAGE - 1);

	(void)i;
	n = n < NHEAP ? n : NHEAP;
	CHECK(sbrk((intptr_t)rest) == p);
	p += rest;
	CHECK(sbrk((intptr_t)(NHEAP * PAGE)) == p);
	heap = p;
	write_heap(c, p, n);
	pause_at_random(c);
	for (size_t k = 0; k < n; k++)
		CHECK_EQ(word_at(p + k * PAGE), c->tag << 8 | k);
	CHECK(sbrk(-(intptr_t)(NHEAP * PAGE)) != (void *)-1);
	return true;
}

static bool take_in(struct changer *c, size_t i, size_t n)
{
	(void)c;
	CHECK_EQ(uhmm_register(u, at(i), n * PAGE), 0);
	return true;
}

/* The child reads what the parent would. */
static bool fork_child(struct changer *c, size_t i, size_t n)
{
	pid_t pid = fork();
	int status;

	(void)c;
	CHECK(pid >= 0);
	if (!pid) {
		for (size_t k = i; k < i + n; k++)
			if (word_at(at(k)) != want[k])
				_exit(1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return true;
}

const struct op ops[] = {
	{ "map-over", map_over, 1, false },
	{ "unmap", unmap, 1, false },
	{ "map-file", map_file, 1, false },
	{ "dontneed", dontneed, 1, false },
	{ "free", free_pages, 1, false },
	{ "remove", remove_pages, 1, false },
	{ "remap-onto", remap_onto, 1, false },
	{ "remap-empty", remap_empty, 1, false },
	{ "remap-away", remap_away, 1, false },
	{ "grow-away", grow_away, 1, false },
	{ "shrink", shrink, 1, false },
	{ "grow", grow, 1, false },
	{ "twice", twice, 1, false },
	{ "protect", protect, 1, false },
	{ "brk", move_break, 1, true },
	{ "register", take_in, 1, false },
	{ "fork", fork_child, 20, false },
	{ "collapse", collapse, 50, false },
};
const size_t nr_ops = sizeof(ops) / sizeof(*ops);
