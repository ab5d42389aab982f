// SPDX-License-Identifier: MIT
/* A store that most pages left shrinks at once, and no byte changes. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../providers/zram/codec.h"
#include "../../providers/zram/store.h"
#include "provider.h"

#define PAGE   ((size_t)4096)
#define NPAGES 4096u

/* Noise of any length, then one byte: compresses to any size. */
static void make_page(unsigned char *page, uint64_t id)
{
	uint64_t rng = id * 77 + 1, word;
	size_t noise = (64 + test_below(&rng, 448)) * 8;

	for (size_t i = 0; i < noise; i += 8) {
		word = test_random(&rng);
		memcpy(page + i, &word, 8);
	}
	memset(page + noise, ' ', PAGE - noise);
}

static void put(const struct test_device *d, uint64_t dpfn, uint64_t id)
{
	unsigned char page[PAGE];

	make_page(page, id);
	CHECK_EQ(put_pages(d, dpfn, page, 1), 0);
}

static void check(const struct test_device *d, uint64_t dpfn, uint64_t id)
{
	unsigned char page[PAGE], want[PAGE];

	make_page(want, id);
	CHECK_EQ(get_pages(d, dpfn, page, 1), 0);
	CHECK_MEM(page, want, PAGE);
}

static void drop(const struct test_device *d, uint64_t dpfn)
{
	d->desc.ops->page_free(d->priv, dpfn, 1);
}

static struct uhmm_device_usage usage_of(const struct test_device *d)
{
	struct uhmm_device_usage usage = { .size = sizeof(usage) };

	CHECK_EQ(d->desc.ops->usage(d->priv, &usage), 0);
	return usage;
}

/* The store's memory is within a quarter of its data, and of little else. */
static void check_tight(const struct test_device *d)
{
	struct uhmm_device_usage usage = usage_of(d);
	uint64_t stored = d->desc.ops->stored(d->priv);

	CHECK(stored <= usage.compressed * 5 / 4 + (640 << 10));
}

/* ---- What is discarded, and in which order ---- */

static bool stays_random(uint64_t dpfn)
{
	uint64_t rng = dpfn + 5;

	return !test_below(&rng, 10);
}

static bool stays_tenth(uint64_t dpfn)
{
	return dpfn % 10 == 0;
}

static bool stays_most(uint64_t dpfn)
{
	return dpfn % 4 != 0;
}

static bool stays_few(uint64_t dpfn)
{
	return dpfn % 500 == 0;
}

static bool stays_none(uint64_t dpfn)
{
	(void)dpfn;
	return false;
}

/* @stride: the order in which pages are freed */
static void shrink(bool (*stays)(uint64_t), uint64_t stride)
{
	struct test_device d = open_provider("zram", NPAGES, NULL);

	for (uint64_t i = 0; i < NPAGES; i++)
		put(&d, i, i);
	check_tight(&d);
	for (uint64_t i = 0, at = 0; i < NPAGES;
	     i++, at = (at + stride) % NPAGES) {
		if (!stays(at))
			drop(&d, at);
	}
	check_tight(&d);
	for (uint64_t i = 0; i < NPAGES; i++) {
		if (stays(i))
			check(&d, i, i);
	}
	close_provider(&d);
}

static void test_shrink(void)
{
	static bool (*const all[])(uint64_t) = {
		stays_random, stays_tenth, stays_most, stays_few, stays_none,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		shrink(all[i], 1);
		shrink(all[i], 2521); /* anywhere */
	}
}

/* Room that pages of one size left serves those of another, at the limit. */
static void test_limit(void)
{
	struct test_device d = open_provider("zram", NPAGES, PAIRS("limit=4M"));
	unsigned char page[PAGE];
	uint64_t n, m;

	for (n = 0; n < NPAGES; n++) {
		make_page(page, n);
		if (put_pages(&d, n, page, 1))
			break;
	}
	CHECK(n > 1024 && n < NPAGES);
	for (uint64_t i = 0; i < n; i++) {
		if (i % 2)
			drop(&d, i);
	}
	memset(page, 0, PAGE);
	for (m = n; m < NPAGES; m++) { /* as small as can be */
		memcpy(page + 8, &m, 8);
		if (put_pages(&d, m, page, 1))
			break;
	}
	/* what was freed is a megabyte and a half at least */
	CHECK(m - n > 20000 || m == NPAGES);
	CHECK(d.desc.ops->stored(d.priv) <= (4 << 20) + NPAGES * 16);
	for (uint64_t i = 0; i < n; i += 2)
		check(&d, i, i);
	close_provider(&d);
}

/* ---- The store by itself ---- */

#define NR_OBJECTS 2000
#define LEN	   1000
#define STAYS(i)   ((i) % 20 == 7)

/* Where each object is; NULL: nowhere. */
static unsigned char *places[NR_OBJECTS];
static unsigned nr_moves, given_up;

static bool hold(void *arg, uint32_t owner, void *object)
{
	(void)arg;
	return places[owner] == object;
}

/* One in @given_up is freed while it moves. */
static bool moved(void *arg, uint32_t owner, void *object, void *to)
{
	(void)arg;
	CHECK(places[owner] == object);
	nr_moves++;
	places[owner] = given_up && nr_moves % given_up == 0 ? NULL : to;
	return places[owner];
}

static void fill_store(struct store *s)
{
	const struct store_user user = { hold, moved, NULL };

	memset(s, 0, sizeof(*s));
	nr_moves = 0;
	CHECK_EQ(store_init(s, &user, 16 << 20, 16 << 20), 0);
	for (uint32_t i = 0; i < NR_OBJECTS; i++) {
		places[i] = store_alloc(s, LEN, i);
		CHECK(places[i]);
		memset(places[i], (int)i, LEN);
	}
}

static void free_object(struct store *s, uint32_t i)
{
	unsigned char *object = places[i];

	places[i] = NULL;
	if (object)
		store_free(s, object);
}

static void check_object(const unsigned char *object, uint32_t i)
{
	for (size_t k = 0; k < LEN; k++)
		CHECK_EQ(object[k], i % 256);
}

static void check_empty(struct store *s)
{
	for (uint32_t i = 0; i < NR_OBJECTS; i++)
		free_object(s, i);
	for (uint32_t i = 0; i < s->nr_classes; i++)
		CHECK_EQ(s->classes[i].used, 0);
	CHECK(store_bytes(s) <= 4 * STORE_CHUNK);
	store_fini(s);
}

/* An object stays where it is until the threads that read it are done. */
static void test_readers(void)
{
	_Atomic uintptr_t *reading[NR_OBJECTS] = { NULL };
	unsigned char *old[NR_OBJECTS];
	static struct store s;
	uint64_t bytes;

	fill_store(&s);
	memcpy(old, places, sizeof(old));
	for (uint32_t i = 0; i < NR_OBJECTS; i++) {
		if (!STAYS(i))
			continue;
		reading[i] = store_read_begin(&s);
		store_read(reading[i], places[i]);
	}
	for (uint32_t i = 0; i < NR_OBJECTS; i++) {
		if (!STAYS(i))
			free_object(&s, i);
	}
	CHECK(nr_moves > 10);
	bytes = store_bytes(&s);
	for (uint32_t i = 0; i < NR_OBJECTS; i++) {
		if (!STAYS(i))
			continue;
		check_object(old[i], i);
		check_object(places[i], i);
		store_read_end(&s, reading[i]);
	}
	CHECK(store_bytes(&s) < bytes);
	check_empty(&s);
}

/* More threads read than there are places for. */
static void test_many_readers(void)
{
	_Atomic uintptr_t *reading[STORE_READERS + 2];
	static struct store s;
	unsigned char *old;
	uint64_t bytes;

	fill_store(&s);
	for (size_t i = 0; i < STORE_READERS + 2; i++)
		reading[i] = store_read_begin(&s);
	old = places[NR_OBJECTS - 1];
	store_read(reading[STORE_READERS], old);
	for (uint32_t i = 0; i < NR_OBJECTS - 1; i++)
		free_object(&s, i);
	CHECK(nr_moves > 0);
	check_object(old, NR_OBJECTS - 1);
	bytes = store_bytes(&s);
	for (size_t i = 0; i < STORE_READERS + 2; i++)
		store_read_end(&s, reading[i]);
	CHECK(store_bytes(&s) < bytes);
	check_empty(&s);
}

/* An object that is freed while it moves leaves nothing behind. */
static void test_given_up(void)
{
	static struct store s;

	fill_store(&s);
	given_up = 3;
	for (uint32_t i = 0; i < NR_OBJECTS; i++) {
		if (!STAYS(i))
			free_object(&s, i);
	}
	CHECK(nr_moves > 10);
	for (uint32_t i = 0; i < NR_OBJECTS; i++) {
		if (places[i])
			check_object(places[i], i);
	}
	given_up = 0;
	check_empty(&s);
}

/* ---- Beside other threads ---- */

#define NR_THREADS 4
#define SHARE	   (NPAGES / NR_THREADS)

static struct test_device shared;
static _Atomic bool stop;
static uint64_t seed;

/* Fills its share and discards nearly all of it, over and over. */
static void *worker(void *arg)
{
	uint64_t nr = (uint64_t)(uintptr_t)arg, rng = nr + seed;
	uint64_t ids[SHARE] = { 0 }, id = nr << 32;

	for (int round = 0; round < (test_is_soak() ? 300 : 3); round++) {
		for (size_t i = 0; i < SHARE; i++) {
			ids[i] = ++id;
			put(&shared, nr * SHARE + i, id);
		}
		for (size_t i = 0; i < 2 * SHARE; i++) {
			size_t at = test_below(&rng, SHARE);

			if (ids[at])
				check(&shared, nr * SHARE + at, ids[at]);
			if (ids[at] && test_below(&rng, 10))
				drop(&shared, nr * SHARE + at);
			else
				continue;
			ids[at] = 0;
		}
		for (size_t i = 0; i < SHARE; i++) {
			if (ids[i])
				check(&shared, nr * SHARE + i, ids[i]);
		}
	}
	return NULL;
}

/* Reads what others move: pages that stay, until told. */
static void *reader(void *arg)
{
	uint64_t rng = 3;

	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t at = test_below(&rng, 1000);

		check(&shared, NPAGES + at, at);
	}
	return NULL;
}

/* A child finds all of its memory, whatever was going on. */
static void fork_once(void)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		for (uint64_t i = 0; i < 1000; i++)
			check(&shared, NPAGES + i, i);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_threads(const char *algo)
{
	pthread_t threads[NR_THREADS], readers[2];

	atomic_store(&stop, false);
	shared = open_provider("zram", NPAGES + 1000, PAIRS(algo));
	for (uint64_t i = 0; i < 1000; i++)
		put(&shared, NPAGES + i, i);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, worker, (void *)i),
			 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&readers[i], NULL, reader, NULL), 0);
	for (int i = 0; i < 5; i++)
		fork_once();
	for (int i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(readers[i], NULL), 0);
	for (uint64_t i = 0; i < NPAGES; i++)
		drop(&shared, i);
	check_tight(&shared);
	close_provider(&shared);
}

/* ---- In a signal handler ---- */

static _Atomic uint64_t at_home; /* pages that the handler brought home */

/* As a fault that is resolved inline does: reads, then frees. */
static void on_alarm(int sig)
{
	uint64_t at = atomic_load(&at_home);

	(void)sig;
	for (int i = 0; i < 3 && at < NPAGES; i++, at++) {
		check(&shared, NPAGES + at, at);
		drop(&shared, NPAGES + at);
	}
	atomic_store(&at_home, at);
}

static void test_signals(const char *algo)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	uint64_t rng = 9, round = 0;

	atomic_store(&at_home, 0);
	shared = open_provider("zram", 2 * NPAGES, PAIRS(algo));
	for (uint64_t i = 0; i < NPAGES; i++)
		put(&shared, NPAGES + i, i);
	signal(SIGALRM, on_alarm);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (; atomic_load(&at_home) < NPAGES; round++) {
		for (uint64_t i = 0; i < 64; i++)
			put(&shared, i, round + i);
		for (uint64_t i = 0; i < 64; i++) {
			check(&shared, i, round + i);
			if (test_below(&rng, 4))
				drop(&shared, i);
		}
	}
	CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	for (uint64_t i = 0; i < 64; i++)
		drop(&shared, i);
	CHECK(shared.desc.ops->stored(shared.priv) <= 4 << 16);
	close_provider(&shared);
}

int main(void)
{
	seed = test_seed();
	test_shrink();
	test_limit();
	test_readers();
	test_many_readers();
	test_given_up();
	test_threads("algo=lz4");
	test_signals("algo=lz4");
	if (!codec_zstd.packer_len)
		return 0;
	test_threads("algo=zstd");
	test_signals("algo=zstd");
	return 0;
}
