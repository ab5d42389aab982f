// SPDX-License-Identifier: MIT
/* differ-memory.c - what differ.c does with its memory */
#include "differ.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Pages of @a, and where. */
static unsigned char *any_part(const struct area *a, size_t *ret_n)
{
	size_t i = below(a->n);

	*ret_n = 1 + below(a->n - i);
	return a->p + i * PAGE;
}

static void say_part(const struct area *a, const unsigned char *p, size_t n)
{
	say("%zu pages at %zu of %zu: %#jx; all %#jx", n,
	    (size_t)(p - a->p) / PAGE, a->n, (uintmax_t)hash(p, n * PAGE),
	    (uintmax_t)hash(a->p, a->n * PAGE));
}

static struct area *free_area(void)
{
	struct area *a = &areas[below(NAREAS)];

	if (!a->p)
		return a;
	if (a->is_heap)
		free(a->p);
	else
		CHECK_EQ(munmap(a->p, a->n * PAGE), 0);
	*a = (struct area){ .p = NULL };
	return a;
}

static size_t any_size(void)
{
	return below(3) ? 1 + below(64) : 1 + below(700);
}

static void step_map(void)
{
	struct area *a = free_area();

	a->n = any_size();
	a->is_shared = !below(6);
	a->p = mmap(NULL, a->n * PAGE, PROT_READ | PROT_WRITE,
		    MAP_ANONYMOUS | (a->is_shared ? MAP_SHARED : MAP_PRIVATE),
		    -1, 0);
	CHECK(a->p != MAP_FAILED);
	stamp(a->p, a->n / 2 * PAGE, seed);
	say("%zu pages: %#jx", a->n, (uintmax_t)hash(a->p, a->n * PAGE));
}

/* Aligned, since parts of it are pages. */
static void step_malloc(void)
{
	struct area *a = free_area();

	a->n = any_size();
	a->is_heap = true;
	a->p = aligned_alloc(PAGE, a->n * PAGE);
	CHECK(a->p);
	memset(a->p, (int)below(256), a->n * PAGE);
	say("%zu pages: %#jx", a->n, (uintmax_t)hash(a->p, a->n * PAGE));
}

static void step_write(void)
{
	struct area *a = any_area(false);
	unsigned char *p;
	size_t n;

	if (!a)
		return;
	p = any_part(a, &n);
	stamp(p, n * PAGE, seed);
	say_part(a, p, n);
}

static void step_read(void)
{
	struct area *a = any_area(false);

	for (; a && a < areas + NAREAS; a++)
		if (a->p)
			say("%#jx", (uintmax_t)hash(a->p, a->n * PAGE));
}

static void step_copy(void)
{
	struct area *from = any_area(false), *to = any_area(false);
	size_t n;

	if (!from)
		return;
	n = from->n < to->n ? from->n : to->n;
	memmove(to->p + (to->n - n) * PAGE, from->p, n * PAGE);
	say_part(to, to->p, to->n);
}

static void step_map_over(void)
{
	struct area *a = any_area(true);
	unsigned char *p;
	size_t n;

	if (!a || a->is_shared)
		return;
	a->is_split = true;
	p = any_part(a, &n);
	CHECK(mmap(p, n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	say_part(a, p, n);
}

static void step_advise(void)
{
	static const int advice[] = { MADV_DONTNEED,   MADV_WILLNEED,
				      MADV_SEQUENTIAL, MADV_HUGEPAGE,
				      MADV_NOHUGEPAGE, MADV_COLD };
	struct area *a = any_area(true);
	size_t n, k = below(sizeof(advice) / sizeof(*advice));
	unsigned char *p;
	int ret;

	if (!a)
		return;
	a->is_split = true;
	p = any_part(a, &n);
	ret = madvise(p, n * PAGE, advice[k]);
	say("%zu: %d", k, ret);
	say_part(a, p, n);
}

/* The kernel may take it or not, until it is written to. */
static void step_free(void)
{
	struct area *a = any_area(true);
	unsigned char *p;
	size_t n;

	if (!a || a->is_shared)
		return;
	p = any_part(a, &n);
	CHECK_EQ(madvise(p, n * PAGE, MADV_FREE), 0);
	stamp(p, n * PAGE, seed);
	say_part(a, p, n);
}

static void step_protect(void)
{
	struct area *a = any_area(true);
	unsigned char *p;
	size_t n;

	if (!a)
		return;
	p = any_part(a, &n);
	CHECK_EQ(mprotect(p, n * PAGE, PROT_READ), 0);
	say_part(a, p, n);
	CHECK_EQ(mprotect(p, n * PAGE, PROT_READ | PROT_WRITE), 0);
	stamp(p, PAGE, seed);
	say_part(a, p, n);
}

static void step_resize(void)
{
	struct area *a = any_area(true);
	size_t n = any_size();
	void *p;

	if (!a || a->is_shared || a->is_split)
		return;
	p = mremap(a->p, a->n * PAGE, n * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	a->p = p;
	a->n = n;
	say_part(a, a->p, n);
}

static void step_realloc(void)
{
	struct area *a = any_area(false);
	size_t n = any_size(), kept;
	void *p;

	if (!a || !a->is_heap)
		return;
	p = realloc(a->p, n * PAGE);
	CHECK(p);
	a->p = p;
	kept = n < a->n ? n : a->n;
	a->n = n;
	say("%zu pages: %#jx", n, (uintmax_t)hash(p, kept * PAGE));
	stamp(a->p + kept * PAGE, (n - kept) * PAGE, seed);
}

/* Page by page to another place, where a part goes over what is there. */
static void step_move(void)
{
	struct area *from = any_area(true), *to = any_area(true);
	size_t n;

	if (!from || from == to || from->is_shared || to->is_shared)
		return;
	from->is_split = to->is_split = true;
	n = from->n < to->n ? from->n : to->n;
	n = n < 20 ? n : 20;
	for (size_t k = 0; k < n; k++)
		CHECK(mremap(from->p + k * PAGE, PAGE, PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			     to->p + k * PAGE) == to->p + k * PAGE);
	say_part(from, from->p, from->n);
	say_part(to, to->p, to->n);
}

static void step_break(void)
{
	size_t n = 1 + below(300);
	unsigned char *p = sbrk((intptr_t)(n * PAGE));

	CHECK(p != (void *)-1);
	say("%zu pages: %#jx", n, (uintmax_t)hash(p, n * PAGE));
	stamp(p, n * PAGE, seed);
	say("%#jx", (uintmax_t)hash(p, n * PAGE));
	CHECK(sbrk(-(intptr_t)(n * PAGE)) == p + n * PAGE);
}

const struct step memory_steps[] = {
	{ "map", step_map },	     { "malloc", step_malloc },
	{ "write", step_write },     { "read", step_read },
	{ "copy", step_copy },	     { "map-over", step_map_over },
	{ "advise", step_advise },   { "free", step_free },
	{ "protect", step_protect }, { "resize", step_resize },
	{ "realloc", step_realloc }, { "move", step_move },
	{ "break", step_break },     { NULL, NULL },
};
