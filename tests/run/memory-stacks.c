// SPDX-License-Identifier: MIT
/*
 * Stacks, heaps and allocators of all kinds: deep recursion, threads with large
 * stacks or stacks of the program's own, coroutines, brk, pools, libraries that
 * come and go, address space that is opened piece by piece.
 */
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <obstack.h>
#include <pthread.h>
#include <sys/resource.h>
#include <ucontext.h>

#include "memory.h"

#define LEN (4 * MIB)

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

/* ---- Stacks ------------------------------------------------------------- */

/* Each frame has a pattern, which is there on the way back. */
static size_t recurse(size_t depth)
{
	uint64_t here[512];
	size_t n;

	fill(here, sizeof(here), depth);
	n = depth ? recurse(depth - 1) : 0;
	verify(here, sizeof(here), depth);
	return n + (here[0] & 1);
}

static void *deep(void *arg)
{
	uint64_t *p = arg;
	size_t depth = 10000; /* 40 MiB */

	verify(p, LEN, 1);
	CHECK(recurse(depth) == depth + 1);
	verify(p, LEN, 1);
	return NULL;
}

static void large_stacks(void)
{
	char *p = away(LEN, 1);
	pthread_attr_t attr;
	pthread_t t[4];

	CHECK(!pthread_attr_init(&attr));
	CHECK(!pthread_attr_setstacksize(&attr, 64 * MIB));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], &attr, deep, p));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(t[i], NULL));
	pthread_attr_destroy(&attr);
	CHECK(!munmap(p, LEN));
}

static volatile bool pushed[4];

static void *waits(void *arg)
{
	uint64_t here[4096];

	fill(here, sizeof(here), 2);
	while (!*(volatile bool *)arg)
		usleep(1000);
	verify(here, sizeof(here), 2);
	CHECK(recurse(100) == 101);
	return NULL;
}

/* In memory that is managed. */
static void own_stacks(void)
{
	pthread_attr_t attr;
	pthread_t t[4];
	char *p = map(4 * MIB);

	CHECK(!pthread_attr_init(&attr));
	for (int i = 0; i < 4; i++) {
		CHECK(!pthread_attr_setstack(&attr, p + i * MIB, MIB));
		CHECK(!pthread_create(&t[i], &attr, waits, (void *)&pushed[i]));
	}
	for (int i = 0; i < 4; i++) {
		push();
		pushed[i] = true;
		CHECK(!pthread_join(t[i], NULL));
	}
	pthread_attr_destroy(&attr);
	push();
	CHECK(!munmap(p, 4 * MIB));
}

/* Each asks for memory that the kernel writes to. */
static void attributes(void)
{
	pthread_attr_t attr[64];
	char here;

	map(LEN);
	push();
	for (int i = 0; i < 64; i++) {
		size_t len;
		void *p;

		CHECK(!pthread_getattr_np(pthread_self(), &attr[i]));
		CHECK(!pthread_attr_getstack(&attr[i], &p, &len));
		CHECK(&here > (char *)p && &here < (char *)p + len);
	}
	for (int i = 0; i < 64; i++)
		CHECK(!pthread_attr_destroy(&attr[i]));
}

static void main_stack(void)
{
	struct rlimit limit;
	char *p = away(LEN, 3);

	CHECK(!getrlimit(RLIMIT_STACK, &limit));
	CHECK(recurse(limit.rlim_cur == RLIM_INFINITY ? 10000 : 1000));
	verify(p, LEN, 3);
	CHECK(!munmap(p, LEN));
}

/* ---- Coroutines --------------------------------------------------------- */

#define NR 8
static ucontext_t back, routine[NR];

static void turn(int i)
{
	uint64_t here[2048];

	for (int round = 0; round < 5; round++) {
		fill(here, sizeof(here), (uint64_t)(i + round));
		CHECK(!swapcontext(&routine[i], &back));
		verify(here, sizeof(here), (uint64_t)(i + round));
	}
}

static void make_coroutine(int i, char *stack)
{
	CHECK(stack && !getcontext(&routine[i]));
	routine[i].uc_stack.ss_sp = stack;
	routine[i].uc_stack.ss_size = 256 << 10;
	routine[i].uc_link = &back;
	makecontext(&routine[i], (void (*)(void))turn, 1, i);
}

static void coroutines(void)
{
	char *stacks[NR];

	for (int i = 0; i < NR; i++) {
		stacks[i] = i % 2 ? malloc(256 << 10) : map(MIB);
		make_coroutine(i, stacks[i]);
	}
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < NR; i++)
			CHECK(!swapcontext(&back, &routine[i]));
		push();
	}
	for (int i = 0; i < NR; i++) {
		if (i % 2)
			free(stacks[i]);
		else
			CHECK(!munmap(stacks[i], MIB));
	}
}

/* ---- Heaps -------------------------------------------------------------- */

static void breaks(void)
{
	char *p = sbrk(LEN);

	CHECK(p != (void *)-1);
	fill(p, LEN, 4);
	for (int i = 0; i < 4; i++) {
		push();
		CHECK(sbrk(-(intptr_t)MIB) != (void *)-1);
		verify(p, LEN - MIB, 4);
		CHECK(sbrk(MIB) == p + LEN - MIB);
		verify_zero(p + LEN - MIB, MIB);
		fill_at(p + LEN - MIB, 4, LEN - MIB, LEN);
	}
	CHECK(!brk(p));
}

/* Under a limit most of it is away, in the end. */
static void check_limit(char *p, size_t len)
{
	static unsigned char there[16 * MIB / PAGE];
	size_t n = 0;

	CHECK(!mincore(p, len, there));
	for (size_t i = 0; i < len / PAGE; i++)
		n += there[i] & 1;
	if (getenv("MEMORY_LIMITED"))
		CHECK(n < len / PAGE / 2);
}

/* As Go, Java and V8 have theirs. */
static void reserve(void)
{
	char *p = map_at(NULL, 64 * MIB, PROT_NONE, MAP_NORESERVE);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 16 * MIB; i += MIB) {
			CHECK(!mprotect(p + i, MIB, PROT_READ | PROT_WRITE));
			verify_zero(p + i, MIB);
			fill_at(p + i, 5, i, i + MIB);
		}
		push();
		check_limit(p, 16 * MIB);
		verify(p, 16 * MIB, 5);
		CHECK(!madvise(p, 8 * MIB, MADV_DONTNEED));
		CHECK(!mprotect(p, 8 * MIB, PROT_NONE));
		map_at(p + 8 * MIB, 8 * MIB, PROT_NONE,
		       MAP_FIXED | MAP_NORESERVE);
		CHECK(touch(p + 9 * MIB, false) == SIGSEGV);
	}
	map_at(p, 4 * MIB, PROT_READ | PROT_WRITE, MAP_FIXED);
	fill(p, 4 * MIB, 6);
	push();
	check_limit(p, 4 * MIB);
	verify(p, 4 * MIB, 6);
	CHECK(!munmap(p, 64 * MIB));
}

static void obstacks(void)
{
	struct obstack o;
	uint64_t *p[64];

	obstack_init(&o);
	for (size_t i = 0; i < 64; i++) {
		p[i] = obstack_alloc(&o, 64 << 10);
		fill(p[i], 64 << 10, i);
	}
	push();
	for (size_t i = 0; i < 64; i++)
		verify(p[i], 64 << 10, i);
	obstack_free(&o, NULL);
}

/* ---- Flags of mmap ------------------------------------------------------ */

static void flag(int flags, size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED) {
		CHECK(flags & MAP_HUGETLB);
		return;
	}
	verify_zero(p, len);
	fill(p, len, (uint64_t)flags);
	push();
	verify(p, len, (uint64_t)flags);
	CHECK(!munmap(p, len));
}

static void flags(void)
{
	flag(MAP_POPULATE, LEN);
	flag(MAP_POPULATE, 24 * MIB);
	flag(MAP_NORESERVE, LEN);
	flag(MAP_GROWSDOWN, LEN);
	flag(MAP_STACK, LEN);
#ifdef MAP_32BIT
	flag(MAP_32BIT, LEN);
#endif
	flag(MAP_HUGETLB, LEN);
	flag(MAP_LOCKED, LEN);
	flag(MAP_NONBLOCK, LEN);
}

/* ---- Libraries ---------------------------------------------------------- */

static void libraries(void)
{
	char *p = away(LEN, 7);

	for (int i = 0; i < 30; i++) {
		void *lib = dlopen(i % 2 ? "libz.so.1" : "libm.so.6", RTLD_NOW);

		if (lib)
			CHECK(!dlclose(lib));
		if (i % 10 == 5)
			push();
	}
	verify(p, LEN, 7);
	CHECK(!munmap(p, LEN));
}

static const struct part parts[] = {
	{ "large-stacks", large_stacks },
	{ "own-stacks", own_stacks },
	{ "attributes", attributes },
	{ "main-stack", main_stack },
	{ "coroutines", coroutines },
	{ "breaks", breaks },
	{ "reserve", reserve },
	{ "obstacks", obstacks },
	{ "flags", flags },
	{ "libraries", libraries },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
