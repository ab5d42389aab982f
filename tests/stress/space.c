// SPDX-License-Identifier: MIT
/*
 * Two threads change their address space in every way that they can, each its
 * own pages, and touch and write to the other's, while a third one moves them,
 * pins them, and takes them for a device alone: what a changer reads afterwards
 * is what it would read without a library, in the range of the call and beside
 * it.
 *
 * The pages lie across the border of two blocks.  After a call its range is
 * read, and what lies beside it, and now and then all of the changer's.  There
 * are four rounds: with and without a mirror, with and without a limit.
 * "space COUNT OP..." makes each call that is named so often, or all of them;
 * without a count there is a time.  How often each was made is printed.
 */
#include "space.h"

enum {
	ROUNDS = 4,
	LIMIT = 40, /* pages of RAM */
	SOAK_CALLS = 100000,
	SHORT_MS = 400, /* a round */
	LOOK = 16,	/* calls until all is read */
};

struct uhmm *u;
char *area, *spare;
_Atomic(char *) heap;
uint64_t want[NPAGES];

static struct uhmm_device *dev;
static uint64_t seed;
static atomic_bool stop;
static atomic_ulong nr_moved, nr_written;
static bool has_mirror;
static struct test_table table;

/* Odd while a changer changes the run. */
static atomic_ulong changes[NRUNS];

/* ---- The others -------------------------------------------------------- */

static void move_some(uint64_t *s, size_t i, size_t n)
{
	char *p = test_below(s, 8) ? at(i) : spare_at(i);
	ssize_t ret =
		uhmm_migrate(u, p, n * PAGE, test_below(s, 3) ? dev : NULL);

	if (ret > 0)
		atomic_fetch_add(&nr_moved, (unsigned long)ret);
}

static void *move(void *arg)
{
	uint64_t s = *(uint64_t *)arg;

	while (!stop) {
		size_t i = test_below(&s, NPAGES);
		size_t n = 1 + test_below(&s, NPAGES - i);

		if (n > 6 && test_below(&s, 8))
			n = 6;
		move_some(&s, i, n);
		if (has_mirror && !test_below(&s, 2))
			uhmm_mirror_fault(
				table.mirror, at(i), n * PAGE,
				test_below(&s, 2) ? UHMM_FAULT_EXCLUSIVE : 0);
		if (heap)
			uhmm_migrate(u, heap, NHEAP * PAGE, dev);
		if (!test_below(&s, 16) && !uhmm_pin(u, at(i), PAGE))
			uhmm_unpin(u, at(i), PAGE);
	}
	return NULL;
}

static _Thread_local sigjmp_buf unmapped;

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(unmapped, 1);
}

/*
 * The second word of a page is the other changer's: it stays, as long as nobody
 * changes the run.  Nothing may be mapped there at times.
 */
static void check_word(const struct changer *c)
{
	const uint64_t *p = (uint64_t *)at(c->page) + 1;
	uint64_t got;

	if (sigsetjmp(unmapped, 0) || c->is & 1)
		return;
	got = *(volatile const uint64_t *)p;
	if (c->is != changes[c->page / RUN])
		return;
	CHECK_EQ(got, c->word);
	atomic_fetch_add(&nr_written, 1);
}

static void write_word(struct changer *c)
{
	size_t run = test_below(&c->seed, NRUNS / NCHANGERS) * NCHANGERS;

	c->page = (run + !c->nr) * RUN + test_below(&c->seed, RUN);
	c->word = test_random(&c->seed);
	c->is = changes[c->page / RUN];
	if (sigsetjmp(unmapped, 0)) {
		c->is = 1;
		return;
	}
	((volatile uint64_t *)at(c->page))[1] = c->word;
}

static void touch(struct changer *c)
{
	const char *volatile p = at(test_below(&c->seed, NPAGES));

	if (!sigsetjmp(unmapped, 0))
		(void)word_at(p);
}

/* ---- A changer --------------------------------------------------------- */

static void print_past(const struct changer *c)
{
	unsigned long k = c->nr_past < 8 ? 0 : c->nr_past - 8;

	for (; k < c->nr_past; k++)
		fprintf(stderr, "%s of %zu from %zu\n", c->past[k % 8].op->name,
			c->past[k % 8].n, c->past[k % 8].i);
}

static void note(struct changer *c, const struct op *op, size_t i, size_t n)
{
	size_t k = c->nr_past++ % 8;

	c->past[k].op = op;
	c->past[k].i = i;
	c->past[k].n = n;
}

void verify(const struct changer *c, size_t i, size_t last)
{
	for (; i < last; i++) {
		uint64_t got = word_at(at(i));

		if (got == want[i])
			continue;
		fprintf(stderr, "page %zu has %#jx, not %#jx; the calls:\n", i,
			(uintmax_t)got, (uintmax_t)want[i]);
		print_past(c);
		if (getenv("UHMM_TEST_STOP"))
			pause();
		test_fail();
	}
}

static void verify_all(const struct changer *c)
{
	for (size_t i = c->nr * RUN; i < NPAGES; i += NCHANGERS * RUN)
		verify(c, i, i + RUN);
}

/* Mostly few pages, in one run of the changer's. */
static size_t any_range(struct changer *c, size_t *ret_n)
{
	size_t run = test_below(&c->seed, NRUNS / NCHANGERS) * NCHANGERS;
	size_t i = test_below(&c->seed, RUN), n = RUN - i;

	if (n > 3 && test_below(&c->seed, 8))
		n = 3;
	*ret_n = 1 + test_below(&c->seed, n);
	return (run + c->nr) * RUN + i;
}

static bool one(struct changer *c, const struct op *op)
{
	size_t n, i = any_range(c, &n), run = i / RUN;
	size_t first = i % RUN ? i - 1 : i;
	size_t last = (i + n) % RUN ? i + n + 1 : i + n;
	bool done;

	check_word(c);
	write_word(c);
	touch(c);
	note(c, op, i, n);
	if (test_below(&c->seed, 2))
		fill(c, i, n);
	pause_at_random(c);
	atomic_fetch_add(&changes[run], 1);
	done = op->run(c, i, n);
	atomic_fetch_add(&changes[run], 1);
	verify(c, first, last);
	if (c->nr_past % LOOK == 0)
		verify_all(c);
	return done;
}

/* ---- All of it --------------------------------------------------------- */

/* How often each operation is still to be made in this round. */
static atomic_long left[64];
static uint64_t end_ms;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_over(const struct changer *c)
{
	if (end_ms && c->nr_past % LOOK == 0 && now_ms() >= end_ms)
		return true;
	for (size_t k = 0; k < nr_ops; k++)
		if (left[k] > 0 && (!ops[k].is_first || !c->nr))
			return false;
	return true;
}

static void *change(void *arg)
{
	struct changer *c = arg;

	while (!is_over(c)) {
		size_t k = test_below(&c->seed, nr_ops);

		if (test_below(&c->seed, ops[k].seldom) ||
		    (ops[k].is_first && c->nr))
			continue;
		if (atomic_fetch_sub(&left[k], 1) <= 0 || !one(c, &ops[k]))
			atomic_fetch_add(&left[k], 1);
	}
	verify_all(c);
	return NULL;
}

static const char *env_or(const char *name, const char *other)
{
	const char *value = getenv(name);

	return value && *value ? value : other;
}

static bool is_named(const struct op *op, int argc, char **argv)
{
	bool named = argc < 3;

	for (int a = 2; a < argc; a++)
		named = named || !strcmp(argv[a], op->name);
	return named;
}

/* A share of @count of each that is named. */
static void plan(long count, int argc, char **argv)
{
	long nr = 0;

	for (size_t k = 0; k < nr_ops; k++) {
		left[k] = is_named(&ops[k], argc, argv) ?
				  count / ROUNDS / (long)ops[k].seldom :
				  0;
		nr += left[k];
	}
	CHECK(nr > 0);
}

static void run_threads(void)
{
	static struct changer c[NCHANGERS];
	pthread_t t[NCHANGERS], mover;

	stop = false;
	CHECK_EQ(pthread_create(&mover, NULL, move, &seed), 0);
	for (unsigned k = 0; k < NCHANGERS; k++) {
		c[k].nr = k;
		c[k].seed = test_random(&seed);
		c[k].is = 1;
		CHECK_EQ(pthread_create(&t[k], NULL, change, &c[k]), 0);
	}
	for (unsigned k = 0; k < NCHANGERS; k++)
		pthread_join(t[k], NULL);
	stop = true;
	pthread_join(mover, NULL);
	uhmm_close(u);
	for (unsigned k = 0; k < NCHANGERS; k++)
		verify_all(&c[k]);
}

static void open_round(unsigned round)
{
	u = test_open();
	alarm(end_ms ? 60 : 0);
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_any_device(u, "ram:4M");
	if (round & 1) {
		CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
		CHECK_EQ(uhmm_set_ram_limit(u, LIMIT * PAGE), 0);
	}
	has_mirror = round & 2;
	if (has_mirror)
		test_mirror(u, &table, area, dev);
}

static void run_round(unsigned round, unsigned long *made, long count, int argc,
		      char **argv)
{
	plan(count, argc, argv);
	for (size_t k = 0; k < nr_ops; k++)
		made[k] += (unsigned long)left[k];
	open_round(round);
	run_threads();
	for (size_t k = 0; k < nr_ops; k++)
		made[k] -= (unsigned long)left[k];
}

static void print_made(const unsigned long *made)
{
	printf("%s, without %s:", env_or("UHMM_TEST_MODE", "auto"),
	       env_or("UHMM_FEATURES_OFF", "nothing"));
	for (size_t k = 0; k < nr_ops; k++)
		printf(" %s %lu", ops[k].name, made[k]);
	printf("; %lu pages moved, %lu words of others, none lost\n", nr_moved,
	       nr_written);
}

int main(int argc, char **argv)
{
	static unsigned long made[64];
	struct sigaction act = { .sa_handler = on_segv,
				 .sa_flags = SA_NODEFER };
	long count = argc > 1 ? atol(argv[1]) : test_is_soak() ? SOAK_CALLS : 0;

	seed = test_seed();
	fprintf(stderr, "seed %ju\n", (uintmax_t)seed);
	CHECK_EQ(sigaction(SIGSEGV, &act, NULL), 0);
	open_spare_file();
	area = (char *)test_map_blocks(2) + BLOCK -
	       (NPAGES / 2 + RUN / 2) * PAGE;
	spare = (char *)test_map_blocks(2) + BLOCK - NPAGES * PAGE;
	for (unsigned round = 0; round < ROUNDS; round++) {
		end_ms = count ? 0 : now_ms() + SHORT_MS;
		run_round(round, made, count ? count : SOAK_CALLS, argc, argv);
	}
	print_made(made);
	CHECK(nr_moved > 0);
	return 0;
}
