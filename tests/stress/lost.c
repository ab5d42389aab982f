// SPDX-License-Identifier: MIT
/*
 * Devices come, go and are lost while threads count in pages that others move
 * to them, from one to the other and home.  As long as devices leave in order
 * no page is lost; when they vanish a page is either lost, and says so, or has
 * the count that it had.  Nothing hangs.
 */
#include <pthread.h>

#include "../context.h"

#define NPAGES	  (2 * BLOCK_PAGES)
#define NCOUNTERS 3
#define NMOVERS	  2
#define NDEVICES  3

static char *area;
static struct uhmm *u;
static uint64_t
	counts[2 * MAX_BLOCK_PAGES]; /* what each page must say; by its owner */
static _Atomic bool stop, vanish;
static _Atomic uint64_t losses, moved;

/* @lock: shared by users of @dev, exclusive for its removal */
static struct slot {
	pthread_rwlock_t lock;
	struct uhmm_device *dev;
} slots[NDEVICES];

/* ---- Counters ---- */

static _Thread_local sigjmp_buf way_out;

static void escape(int sig)
{
	siglongjmp(way_out, sig);
}

/* Lost pages begin anew, in one of the two ways. */
static void heal(size_t i)
{
	char *p = area + i * PAGE;

	CHECK(vanish);
	atomic_fetch_add(&losses, 1);
	if (i % 2)
		CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	else
		CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == p);
	counts[i] = 0;
	*(volatile uint64_t *)(p + i % 64 * 8) = 0;
}

static void count_page(size_t i, bool write)
{
	volatile uint64_t *w = (uint64_t *)(area + i * PAGE + i % 64 * 8);
	uint64_t is;

	if (sigsetjmp(way_out, 1)) {
		heal(i);
		return;
	}
	is = *w;
	if (is != counts[i])
		fprintf(stderr, "page %zu: %ju, not %ju\n", i, (uintmax_t)is,
			(uintmax_t)counts[i]);
	CHECK_EQ(is, counts[i]);
	if (!write)
		return;
	*w = is + 1;
	counts[i]++;
}

static void *counter(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;
	uint64_t seed = test_seed_value + me;

	while (!stop) {
		size_t k = test_below(&seed, NPAGES / NCOUNTERS);

		count_page(k * NCOUNTERS + me, test_random(&seed) % 4);
	}
	return NULL;
}

/* ---- Movers ---- */

static void move(uint64_t *seed, struct uhmm_device *dev)
{
	size_t first = test_below(seed, NPAGES);
	size_t n = 1 + test_below(seed, NPAGES - first);
	ssize_t ret;

	ret = uhmm_migrate(u, area + first * PAGE, n * PAGE, dev);
	if (ret < 0)
		CHECK(ret == -ENODEV || ret == -EBUSY || ret == -EOPNOTSUPP);
	else if (dev)
		atomic_fetch_add(&moved, (uint64_t)ret);
}

static void *mover(void *arg)
{
	uint64_t seed = test_seed_value + 100 + (uintptr_t)arg;

	while (!stop) {
		struct slot *s = &slots[test_below(&seed, NDEVICES)];

		if (!test_below(&seed, 4)) {
			move(&seed, NULL);
			continue;
		}
		pthread_rwlock_rdlock(&s->lock);
		if (s->dev)
			move(&seed, s->dev);
		pthread_rwlock_unlock(&s->lock);
	}
	return NULL;
}

/* ---- Plugging and pulling ---- */

static void *loser(void *arg)
{
	CHECK_EQ(uhmm_device_lost(arg), 0);
	return NULL;
}

/* Lost while it is used, or while it is being removed. */
static void pull(struct slot *s, uint64_t *seed)
{
	bool late = test_below(seed, 2);
	pthread_t t;

	if (!late)
		CHECK_EQ(uhmm_device_lost(s->dev), 0);
	pthread_rwlock_wrlock(&s->lock);
	if (late)
		CHECK_EQ(pthread_create(&t, NULL, loser, s->dev), 0);
	CHECK_EQ(uhmm_device_remove(s->dev), 0);
	if (late)
		CHECK_EQ(pthread_join(t, NULL), 0);
	s->dev = NULL;
	pthread_rwlock_unlock(&s->lock);
}

static void take_out(struct slot *s)
{
	pthread_rwlock_wrlock(&s->lock);
	CHECK_EQ(uhmm_device_remove(s->dev), 0);
	s->dev = NULL;
	pthread_rwlock_unlock(&s->lock);
}

static void put_in(struct slot *s, uint64_t *seed)
{
	static const char *const specs[] = { "ram:3M", "zram:3M,level=1",
					     "delay(us=50)/ram:3M",
					     "trace/ram:3M" };
	struct uhmm_device *dev = test_device(u, specs[test_below(seed, 3)]);

	pthread_rwlock_wrlock(&s->lock);
	s->dev = dev;
	pthread_rwlock_unlock(&s->lock);
}

/* Freezing by mappings is slow where they are changed all the time. */
static bool has_enough(int round, time_t start)
{
	int rounds = test_is_soak() ? 20000 : 150;

	if (vanish && !losses)
		return false;
	return round >= rounds ||
	       (!test_is_soak() && round >= 10 && time(NULL) - start > 5);
}

static void *manager(void *arg)
{
	uint64_t seed = test_seed_value + 200;
	time_t start = time(NULL);

	for (int i = 0; !has_enough(i, start); i++) {
		struct slot *s = &slots[test_below(&seed, NDEVICES)];
		struct timespec pause = { 0, (long)test_below(&seed, 3000000) };

		if (!s->dev)
			put_in(s, &seed);
		else if (vanish && test_below(&seed, 2))
			pull(s, &seed);
		else
			take_out(s);
		nanosleep(&pause, NULL);
	}
	stop = true;
	return arg;
}

static void run(bool with_losses)
{
	pthread_t t[NCOUNTERS + NMOVERS + 1];
	size_t n = 0;

	vanish = with_losses;
	stop = false;
	for (size_t i = 0; i < NCOUNTERS; i++)
		CHECK_EQ(pthread_create(&t[n++], NULL, counter, (void *)i), 0);
	for (size_t i = 0; i < NMOVERS; i++)
		CHECK_EQ(pthread_create(&t[n++], NULL, mover, (void *)i), 0);
	CHECK_EQ(pthread_create(&t[n++], NULL, manager, NULL), 0);
	while (n)
		CHECK_EQ(pthread_join(t[--n], NULL), 0);
}

static void no_log(void *arg, int level, const char *msg)
{
	(void)arg;
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%d: %s\n", level, msg);
	CHECK(!strstr(msg, "in state"));
}

int main(void)
{
	struct sigaction act = { .sa_handler = escape };
	static const bool with_losses[] = { false, true };
	pthread_rwlockattr_t attr;

	test_seed();
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	u = test_open();
	uhmm_set_log(u, no_log, NULL);
	area = test_map_blocks(2);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	for (size_t i = 0; i < NDEVICES; i++)
		CHECK_EQ(pthread_rwlock_init(&slots[i].lock, &attr), 0);
	for (size_t i = 0; i < 2; i++) {
		run(with_losses[i]);
		CHECK(moved > 0);
		CHECK_EQ(losses > 0, with_losses[i]);
	}
	for (size_t i = 0; i < NPAGES; i++)
		count_page(i, false);
	test_close(u);
	for (size_t i = 0; i < NPAGES; i++)
		count_page(i, false);
	return 0;
}
