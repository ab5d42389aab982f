// SPDX-License-Identifier: MIT
/*
 * Each call that changes something races with each other one, and with itself,
 * on the same pages, while a third thread touches them: what is in the pages
 * stays, each call ends, and answers what its contract says.
 *
 * "pairs ROUNDS NAME NAME" runs one pair, "pairs ROUNDS SHARE" one of SHARE of
 * them, drawn anew each time.  One that does not end is named and killed.
 * UHMM_TEST_SEED draws all this again, and the ranges and the kind of context.
 */
#include "pairs.h"

#include "../fixed.h"

enum {
	ROUNDS = 2,
	SOAK_ROUNDS = 100,
	HANGS = 60, /* seconds, and one a round */
};

struct world world;
unsigned pair_flags;

static const struct call *pair[NTHREADS];
static unsigned rounds, share = 1;
static uint64_t seed;
static atomic_bool stop;
static pthread_barrier_t start;
static _Atomic unsigned long nr_made, nr_lost;

/* ---- Messages ---------------------------------------------------------- */

void print_pair(void)
{
	fprintf(stderr, "%s beside %s\n", pair[0]->name, pair[1]->name);
}

static void on_alarm(int sig)
{
	static const char what[] = " hang\nreplay with the seed above\n";
	const char *parts[] = { pair[0]->name, " beside ", pair[1]->name,
				what };

	(void)sig;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (write(2, parts[i], strlen(parts[i])) < 0)
			break;
	unlink(world.budget_path);
	_exit(1);
}

long expect(const char *call, long ret, const int *errors)
{
	atomic_fetch_add(&nr_made, 1);
	for (; ret < 0 && *errors; errors++)
		if (ret == -*errors)
			return ret;
	if (ret >= 0)
		return ret;
	print_pair();
	fprintf(stderr, "%s: %s\n", call, strerror((int)-ret));
	test_fail();
}

/* ---- Pages ------------------------------------------------------------- */

static _Thread_local sigjmp_buf lost;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(lost, 1);
}

static bool is_lost_here(void)
{
	if (!(pair_flags & LOSES)) {
		print_pair();
		fprintf(stderr, "a page is lost\n");
		test_fail();
	}
	atomic_fetch_add(&nr_lost, 1);
	return false;
}

bool get_word(const void *p, uint64_t *ret_word)
{
	if (sigsetjmp(lost, 0))
		return is_lost_here();
	*ret_word = *(const volatile uint64_t *)p;
	return true;
}

bool put_word(void *p, uint64_t word)
{
	if (sigsetjmp(lost, 0))
		return is_lost_here();
	*(volatile uint64_t *)p = word;
	return true;
}

bool add_word(void *p)
{
	if (sigsetjmp(lost, 0))
		return is_lost_here();
	__atomic_fetch_add((uint64_t *)p, 1, __ATOMIC_RELAXED);
	return true;
}

/* Every 8th word is enough to see a page of another place or time. */
#define STEP 8

void fill_page(size_t i, uint64_t tag)
{
	world.tag[i] = tag;
	for (size_t k = 0; k < PAGE_WORDS; k += STEP)
		if (!put_word(at(i) + k * 8, test_word(tag, k)))
			return;
}

/*
 * A page that is lost and is managed no more reads as zeroes: see uhmm(7),
 * LIMITS.
 */
bool may_be_forgotten(void)
{
	return pair_flags & LOSES &&
	       (test_mode_is("inline") || !test_has(world.u, "poison"));
}

/* The counter of such a page begins at 0 again. */
static bool is_forgotten(size_t k, uint64_t is, uint64_t wanted)
{
	return may_be_forgotten() &&
	       (!is || (k == PAGE_WORDS - 1 && is < wanted));
}

/* False where it is lost. */
static bool verify_word(size_t i, size_t k, uint64_t wanted)
{
	uint64_t is;

	if (!get_word(at(i) + k * 8, &is))
		return false;
	if (is == wanted || is_forgotten(k, is, wanted))
		return true;
	print_pair();
	fprintf(stderr, "page %zu, word %zu: %#jx, not %#jx\n", i, k,
		(uintmax_t)is, (uintmax_t)wanted);
	test_fail();
}

void verify_page(size_t i)
{
	for (size_t k = 0; k < PAGE_WORDS; k += STEP)
		if (!verify_word(i, k, test_word(world.tag[i], k)))
			return;
	if (owner_of(i) == TOUCHER)
		verify_word(i, PAGE_WORDS - 1, world.added[i]);
}

static void verify_all(void)
{
	for (size_t i = 0; i < NPAGES; i++)
		verify_page(i);
}

/* ---- Threads ----------------------------------------------------------- */

static void *touch(void *arg)
{
	static _Thread_local uint64_t s; /* longjmp() may spoil others */

	s = *(uint64_t *)arg;
	pthread_barrier_wait(&start);
	while (!stop) {
		size_t i = test_below(&s, NPAGES);

		if (owner_of(i) != TOUCHER)
			continue;
		world.added[i] += add_word(at(i) + PAGE - 8);
		verify_page(i);
		if (i < NSHARED)
			touch_shared(i, test_random(&s));
		if (!test_below(&s, 8))
			usleep(20);
	}
	return NULL;
}

static void *make_calls(void *arg)
{
	struct caller *c = arg;

	pthread_barrier_wait(&start);
	for (unsigned k = 0; k < rounds; k++)
		pair[c->nr]->run(c);
	return NULL;
}

static void run_threads(void)
{
	struct caller c[NTHREADS];
	pthread_t t[NTHREADS + 1];

	stop = false;
	CHECK_EQ(pthread_barrier_init(&start, NULL, NTHREADS + 1), 0);
	for (unsigned k = 0; k < NTHREADS; k++) {
		c[k] = (struct caller){ k, test_random(&seed) };
		CHECK_EQ(pthread_create(&t[k], NULL, make_calls, &c[k]), 0);
	}
	CHECK_EQ(pthread_create(&t[TOUCHER], NULL, touch, &seed), 0);
	for (unsigned k = 0; k < NTHREADS; k++)
		pthread_join(t[k], NULL);
	stop = true;
	pthread_join(t[TOUCHER], NULL);
	pthread_barrier_destroy(&start);
}

/* ---- The context of a pair --------------------------------------------- */

static void open_world(void)
{
	static const char *const specs[] = { "ram:512K", "zram:512K",
					     "dax:512K" };
	static const unsigned flags[] = { 0, UHMM_OPEN_FORK,
					  UHMM_OPEN_NO_RECYCLE,
					  UHMM_OPEN_LIMIT_ALL };
	struct uhmm_params p = { .flags = flags[test_below(&seed, 4)],
				 .charge = (uint32_t)test_below(&seed, 2) };
	size_t what;

	world.budget = NULL;
	if (!p.charge && !test_below(&seed, 3))
		CHECK_EQ(uhmm_budget_attach(world.budget_path, &world.budget),
			 0);
	p.budget = world.budget;
	world.u = test_open_with(p);
	world.forks = p.flags & UHMM_OPEN_FORK;
	uhmm_set_log(world.u, test_no_log, NULL);
	what = test_below(&seed, 3);
	open_shared();
	world.is_placed = what == 2;
	world.dev = test_device(world.u, specs[what]);
	world.victim = test_device(world.u, "ram:512K");
	world.fixed = test_fixed(world.u, world.fd, 0, 2 * RUN);
	CHECK_EQ(uhmm_group_create(world.u, NULL, "shared", &world.group), 0);
	test_mirror(world.u, &world.table, world.area, world.dev);
	if (!p.budget && test_below(&seed, 2))
		CHECK_EQ(uhmm_set_ram_limit(world.u, NPAGES / 2 * PAGE), 0);
}

static void close_world(void)
{
	verify_all();
	close_shared();
	CHECK_EQ(uhmm_mirror_remove(world.table.mirror), 0);
	CHECK_EQ(uhmm_close(world.u), 0);
	uhmm_budget_detach(world.budget);
	verify_all();
}

static void map_area(void)
{
	CHECK(mmap(world.area, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == world.area);
}

static void fill_all(void)
{
	for (size_t i = 0; i < NPAGES; i++) {
		fill_page(i, test_random(&seed));
		world.added[i] = 0;
		CHECK(put_word(at(i) + PAGE - 8, 0));
	}
}

static void wait_completed(void)
{
	while (world.completed < world.started) {
		take_completions();
		usleep(100);
	}
}

/* New memory replaces lost pages, and a new device the lost one. */
static void renew(void)
{
	map_area();
	close_shared();
	open_shared();
	EXPECT("uhmm_device_remove", uhmm_device_remove(world.victim), 0);
	world.victim = test_device(world.u, "ram:512K");
}

static void move_all(void)
{
	EXPECT("uhmm_migrate",
	       uhmm_migrate(world.u, world.area, NPAGES * PAGE, world.dev), 0);
}

static void run_pair(const struct call *a, const struct call *b)
{
	pair[0] = a;
	pair[1] = b;
	pair_flags = a->flags | b->flags;
	alarm(HANGS + rounds);
	fill_all();
	move_all();
	run_threads();
	verify_all();
	move_all(); /* loses what is managed, but not in the kernel */
	verify_all();
	wait_completed();
	if (pair_flags & LOSES)
		renew();
}

/* ---- All of them ------------------------------------------------------- */

static const char *env_or(const char *name, const char *other)
{
	const char *value = getenv(name);

	return value && *value ? value : other;
}

static void drop_budget(void)
{
	unlink(world.budget_path);
}

static void make_budget(void)
{
	snprintf(world.budget_path, sizeof(world.budget_path),
		 "/dev/shm/uhmm-pairs-%d", (int)getpid());
	CHECK_EQ(uhmm_budget_create(world.budget_path, 2 * NPAGES * PAGE), 0);
	CHECK_EQ(atexit(drop_budget), 0);
}

static void prepare(void)
{
	struct sigaction bus = { .sa_handler = on_sigbus,
				 .sa_flags = SA_NODEFER };
	struct sigaction hangs = { .sa_handler = on_alarm };

	CHECK_EQ(sigaction(SIGBUS, &bus, NULL), 0);
	CHECK_EQ(sigaction(SIGALRM, &hangs, NULL), 0);
	world.fd = memfd_create("fixed", MFD_CLOEXEC);
	CHECK(world.fd >= 0);
	CHECK_EQ(ftruncate(world.fd, (off_t)(2 * RUN * PAGE)), 0);
	make_budget();
	world.area = (char *)test_map_blocks(2) + BLOCK - NPAGES / 2 * PAGE;
}

static bool is_wanted(size_t i, size_t k, char **names)
{
	const char *a = calls[i].name, *b = calls[k].name;

	return !names || (!strcmp(a, names[0]) && !strcmp(b, names[1])) ||
	       (!strcmp(a, names[1]) && !strcmp(b, names[0]));
}

/* A call beside itself and those behind it, in one context. */
static unsigned run_row(size_t i, char **names)
{
	unsigned nr = 0;

	pair[0] = pair[1] = &calls[i];
	map_area();
	open_world();
	for (size_t k = i; k < nr_calls; k++) {
		if (!is_wanted(i, k, names) || test_below(&seed, share))
			continue;
		run_pair(&calls[i], &calls[k]);
		nr++;
	}
	pair_flags = 0;
	fill_all();
	close_world();
	return nr;
}

int main(int argc, char **argv)
{
	unsigned nr = 0;

	rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	if (!rounds)
		rounds = test_is_soak() ? SOAK_ROUNDS : ROUNDS;
	if (argc == 3)
		share = (unsigned)atoi(argv[2]);
	CHECK(share > 0);
	seed = test_seed();
	fprintf(stderr, "seed %ju\n", (uintmax_t)seed);
	prepare();
	for (size_t i = 0; i < nr_calls; i++)
		nr += run_row(i, argc > 3 ? argv + 2 : NULL);
	CHECK(nr > 0);
	printf("%s, without %s: %u pairs of %zu calls, %u rounds each, %lu "
	       "answers; no byte lost, %lu touches of pages of lost devices\n",
	       env_or("UHMM_TEST_MODE", "auto"),
	       env_or("UHMM_FEATURES_OFF", "nothing"), nr, nr_calls, rounds,
	       nr_made, nr_lost);
	return 0;
}
