// SPDX-License-Identifier: MIT
/*
 * One thread changes its address space in every way that it can, while others
 * move, pin and touch the same pages: what it reads afterwards is what it would
 * read without a library, in the range of the call and beside it.
 *
 * The range lies across the border of two blocks.  After each call all of it is
 * read twice.  What a call does, and what is to be read then, is one entry of
 * @ops; "space SECONDS OP..." runs those that are named.  How often each ran is
 * printed; ./check soak goes on until that is SOAK_CALLS for each.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../mirror.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define NPAGES	 96
#define NMOVERS	 2
#define NTOUCHER 2
#define NHEAP	 16

enum {
	SOAK_CALLS = 100000,
	SOAK_SECONDS = 7200, /* at most */
};

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area, *spare; /* @spare: as large, and as it lies */
static uint64_t want[NPAGES], tag, seed;
static atomic_bool stop;
static atomic_ulong nr_moved;
static _Atomic(char *) heap; /* NHEAP pages below the break, or NULL */
static bool has_mirror;
static struct test_table table;

static char *at(size_t i)
{
	return area + i * PAGE;
}

/* ---- The others -------------------------------------------------------- */

static void *move(void *arg)
{
	uint64_t s = seed + (uintptr_t)arg;

	while (!stop) {
		size_t i = test_below(&s, NPAGES);
		size_t n = 1 + test_below(&s, NPAGES - i);
		ssize_t ret = uhmm_migrate(u, at(i), n * PAGE,
					   test_below(&s, 3) ? dev : NULL);

		if (ret > 0)
			atomic_fetch_add(&nr_moved, (unsigned long)ret);
		if (has_mirror && !test_below(&s, 2))
			uhmm_mirror_fault(
				table.mirror, at(i), n * PAGE,
				test_below(&s, 2) ? UHMM_FAULT_EXCLUSIVE : 0);
		if (heap)
			uhmm_migrate(u, heap, NHEAP * PAGE, dev);
		if (!test_below(&s, 16) && !uhmm_pin(u, at(i), PAGE))
			uhmm_unpin(u, at(i), PAGE);
		if (!test_below(&s, 4))
			usleep(300);
	}
	return NULL;
}

static _Thread_local sigjmp_buf unmapped;

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(unmapped, 1);
}

/* Nothing may be mapped there at times. */
static void *touch(void *arg)
{
	static _Thread_local uint64_t s; /* longjmp() may spoil others */

	s = seed + 100 + (uintptr_t)arg;
	while (!stop) {
		if (!sigsetjmp(unmapped, 1))
			(void)*(volatile char *)at(test_below(&s, NPAGES));
		if (!test_below(&s, 64))
			usleep(100);
	}
	return NULL;
}

/* ---- What the one does ------------------------------------------------- */

static void map_anon(char *p, size_t n, int flags)
{
	CHECK(mmap(p, n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0) == p);
}

static void expect_zero(size_t i, size_t n)
{
	memset(want + i, 0, n * sizeof(*want));
}

static void fill(size_t i, size_t n)
{
	for (tag++; n--; i++) {
		want[i] = tag << 8 | i;
		*(volatile uint64_t *)at(i) = want[i];
	}
}

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

static void map_over(size_t i, size_t n)
{
	map_anon(at(i), n, MAP_FIXED);
	expect_zero(i, n);
}

static void unmap(size_t i, size_t n)
{
	CHECK_EQ(munmap(at(i), n * PAGE), 0);
	map_anon(at(i), n, MAP_FIXED_NOREPLACE);
	expect_zero(i, n);
}

static void map_file(size_t i, size_t n)
{
	FILE *f = tmpfile();

	CHECK(f);
	CHECK_EQ(ftruncate(fileno(f), (off_t)(n * PAGE)), 0);
	CHECK(mmap(at(i), n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED, fileno(f), 0) == at(i));
	fclose(f);
	for (size_t k = i; k < i + n; k++)
		CHECK_EQ(*(volatile uint64_t *)at(k), 0);
	map_over(i, n);
}

static void dontneed(size_t i, size_t n)
{
	CHECK_EQ(madvise(at(i), n * PAGE, MADV_DONTNEED), 0);
	expect_zero(i, n);
}

/* Old data or zeroes, until it is written to. */
static void free_pages(size_t i, size_t n)
{
	CHECK_EQ(madvise(at(i), n * PAGE, MADV_FREE), 0);
	for (size_t k = i; k < i + n; k++) {
		uint64_t got = *(volatile uint64_t *)at(k);

		CHECK(!got || got == want[k]);
	}
	fill(i, n);
}

/* The half of the range that a call takes from, and the one it puts to. */
static void halves(size_t i, size_t *n, size_t *ret_to)
{
	if (*n > NPAGES / 2)
		*n = NPAGES / 2;
	*ret_to = i + *n + *n <= NPAGES ? i + *n : i >= *n ? i - *n : 0;
	if (*ret_to + *n > i && *ret_to < i + *n)
		*n = 0;
}

static void remap_onto(size_t i, size_t n)
{
	size_t to;

	halves(i, &n, &to);
	if (!n)
		return;
	remap(at(i), at(to), n, 0);
	memmove(want + to, want + i, n * sizeof(*want));
	map_over(i, n);
}

static void remap_empty(size_t i, size_t n)
{
	size_t to;

	halves(i, &n, &to);
	if (!n)
		return;
	remap(at(i), at(to), n, MREMAP_DONTUNMAP);
	memmove(want + to, want + i, n * sizeof(*want));
	expect_zero(i, n);
}

static void remap_away(size_t i, size_t n)
{
	char *to = spare + i * PAGE;

	remap(at(i), to, n, 0);
	if (test_below(&seed, 2))
		for (size_t k = 0; k < n; k++)
			CHECK_EQ(*(volatile uint64_t *)(to + k * PAGE),
				 want[i + k]);
	remap(to, at(i), n, 0);
}

static void shrink(size_t i, size_t n)
{
	if (n < 2 || mremap(at(i), n * PAGE, PAGE, 0) != at(i))
		return;
	map_anon(at(i + 1), n - 1, MAP_FIXED_NOREPLACE);
	expect_zero(i + 1, n - 1);
}

static void grow(size_t i, size_t n)
{
	CHECK_EQ(munmap(at(i), n * PAGE), 0);
	if (i && mremap(at(i - 1), PAGE, (n + 1) * PAGE, 0) == MAP_FAILED)
		map_anon(at(i), n, MAP_FIXED_NOREPLACE);
	else if (!i)
		map_anon(at(i), n, MAP_FIXED_NOREPLACE);
	expect_zero(i, n);
}

static void protect(size_t i, size_t n)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_EXEC };

	CHECK_EQ(mprotect(at(i), n * PAGE, prots[test_below(&seed, 3)]), 0);
	if (test_below(&seed, 2))
		usleep(200);
	CHECK_EQ(mprotect(at(i), n * PAGE, PROT_READ | PROT_WRITE), 0);
}

/* The break goes up and down: what comes back is new. */
static void move_break(size_t i, size_t n)
{
	char *p = sbrk(0);
	size_t rest = -(uintptr_t)p & (PAGE - 1);

	(void)i;
	CHECK(sbrk((intptr_t)rest) == p);
	p += rest;
	for (size_t k = 0; k < 1 + n % 3; k++) {
		CHECK(sbrk(NHEAP * PAGE) == p);
		heap = p;
		for (size_t j = 0; j < NHEAP; j++) {
			volatile uint64_t *w = (uint64_t *)(p + j * PAGE);

			CHECK_EQ(*w, 0);
			*w = tag << 8 | j;
		}
		usleep((useconds_t)test_below(&seed, 100));
		for (size_t j = 0; j < NHEAP; j++)
			CHECK_EQ(*(volatile uint64_t *)(p + j * PAGE),
				 tag << 8 | j);
		CHECK(sbrk(-(intptr_t)(NHEAP * PAGE)) != (void *)-1);
	}
	heap = NULL;
}

/* Of a file only: here it changes nothing. */
static void remove_pages(size_t i, size_t n)
{
	CHECK_EQ(madvise(at(i), n * PAGE, MADV_REMOVE), -1);
	CHECK_EQ(errno, EINVAL);
}

/* Where the kernel can, it is one huge page then. */
static void collapse(size_t i, size_t n)
{
	(void)n;
	madvise((char *)((uintptr_t)at(i) & ~(BLOCK - 1)), BLOCK,
		MADV_COLLAPSE);
}

static void take_in(size_t i, size_t n)
{
	CHECK_EQ(uhmm_register(u, at(i), n * PAGE), 0);
}

/* The child reads what the parent would. */
static void fork_child(size_t i, size_t n)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		for (size_t k = i; k < i + n; k++)
			if (*(volatile uint64_t *)at(k) != want[k])
				_exit(1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static const struct op {
	const char *name;
	void (*run)(size_t i, size_t n);
} ops[] = {
	{ "map-over", map_over },	{ "unmap", unmap },
	{ "map-file", map_file },	{ "dontneed", dontneed },
	{ "free", free_pages },		{ "remap-onto", remap_onto },
	{ "remap-empty", remap_empty }, { "remap-away", remap_away },
	{ "shrink", shrink },		{ "grow", grow },
	{ "protect", protect },		{ "register", take_in },
	{ "fork", fork_child },		{ "collapse", collapse },
	{ "brk", move_break },		{ "remove", remove_pages },
};
#define NOPS (sizeof(ops) / sizeof(*ops))

/* ---- All of it --------------------------------------------------------- */

/* The last calls, for the message of a failure. */
static struct {
	const char *name;
	size_t i, n;
	bool filled;
} past[8];
static unsigned long nr_past;

static void note(const struct op *op, size_t i, size_t n, bool filled)
{
	size_t k = nr_past++ % 8;

	past[k].name = op->name;
	past[k].i = i;
	past[k].n = n;
	past[k].filled = filled;
}

static void print_past(void)
{
	for (unsigned long k = nr_past < 8 ? 0 : nr_past - 8; k < nr_past; k++)
		fprintf(stderr, "%s%s of %zu from %zu\n",
			past[k % 8].filled ? "all written; " : "",
			past[k % 8].name, past[k % 8].n, past[k % 8].i);
}

static void verify(const struct op *op, size_t i, size_t n)
{
	for (size_t k = 0; k < NPAGES; k++) {
		uint64_t got = *(volatile uint64_t *)at(k);

		if (got == want[k])
			continue;
		fprintf(stderr,
			"%s of %zu from %zu: page %zu has %#jx, not %#jx\n",
			op->name, n, i, k, (uintmax_t)got, (uintmax_t)want[k]);
		print_past();
		test_fail();
	}
}

static void one(const struct op *op)
{
	size_t i = test_below(&seed, NPAGES);
	size_t n = 1 + test_below(&seed, NPAGES - i);

	bool filled = test_below(&seed, 2);

	note(op, i, n, filled);
	if (filled)
		fill(0, NPAGES);
	if (test_below(&seed, 2))
		usleep((useconds_t)test_below(&seed, 300));
	op->run(i, n);
	verify(op, i, n);
	verify(op, i, n);
}

/* UHMM_TEST_MIRROR: a device takes pages for itself, too. */
static void add_mirror(void)
{
	has_mirror = getenv("UHMM_TEST_MIRROR") != NULL;
	if (has_mirror)
		test_mirror(u, &table, area, dev);
}

/* UHMM_TEST_LIMIT: pages of RAM, less than the range has. */
static void set_limit(void)
{
	const char *env = getenv("UHMM_TEST_LIMIT");

	if (!env)
		return;
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_set_ram_limit(u, strtoull(env, NULL, 0) * PAGE), 0);
}

/* Those that are named, or all. */
static size_t choose(const struct op **list, int argc, char **argv)
{
	size_t nr = 0;

	for (size_t k = 0; k < NOPS; k++) {
		bool named = argc < 3;

		for (int a = 2; a < argc; a++)
			named = named || !strcmp(argv[a], ops[k].name);
		if (named)
			list[nr++] = &ops[k];
	}
	CHECK(nr > 0);
	return nr;
}

static const char *env_or(const char *name, const char *other)
{
	const char *value = getenv(name);

	return value && *value ? value : other;
}

/* Until the end, or in a soak until each has been called often enough. */
static void run(const struct op **list, size_t nr, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long calls[NOPS] = { 0 }, least = 0;

	while (time(NULL) < end && least < SOAK_CALLS) {
		size_t k = test_below(&seed, nr);

		one(list[k]);
		calls[k]++;
		least = calls[0];
		for (k = 0; k < nr; k++)
			least = calls[k] < least ? calls[k] : least;
	}
	printf("%s, without %s:", env_or("UHMM_TEST_MODE", "auto"),
	       env_or("UHMM_FEATURES_OFF", "nothing"));
	for (size_t k = 0; k < nr; k++)
		printf(" %s %lu", list[k]->name, calls[k]);
	printf("; %lu pages moved, none lost\n", nr_moved);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1	     ? atoi(argv[1]) :
		      test_is_soak() ? SOAK_SECONDS :
				       2;
	pthread_t t[NMOVERS + NTOUCHER];
	const struct op *list[NOPS];
	size_t nr;
	struct sigaction act = { .sa_handler = on_segv };

	seed = test_seed();
	CHECK_EQ(sigaction(SIGSEGV, &act, NULL), 0);
	u = test_open();
	nr = choose(list, argc, argv);
	alarm((unsigned)seconds + 60);
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_any_device(u, "ram:4M");
	area = (char *)test_map_blocks(2) + BLOCK - NPAGES / 2 * PAGE;
	spare = (char *)test_map_blocks(2) + BLOCK - NPAGES / 2 * PAGE;
	set_limit();
	add_mirror();
	for (size_t k = 0; k < NMOVERS + NTOUCHER; k++)
		CHECK_EQ(pthread_create(&t[k], NULL, k < NMOVERS ? move : touch,
					(void *)k),
			 0);
	run(list, nr, seconds);
	stop = true;
	for (size_t k = 0; k < NMOVERS + NTOUCHER; k++)
		pthread_join(t[k], NULL);
	CHECK(nr_moved > 0);
	test_close(u);
	return 0;
}
