// SPDX-License-Identifier: MIT
/*
 * Threads count up in adopted memory, each by a mapping of its own, and so do
 * children, one after the other, while pages go to a device and back as long as
 * no child lives: no increment is lost.  Processes that are made past the
 * handlers of fork(2) find what never changes, or have SIGSEGV.
 */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../object.h"

#define NTHREADS 2
#define CHILD	 NTHREADS /* as an owner of counters */
#define NOWNERS	 (NTHREADS + 1)
#define NPAGES	 96
#define NTURNS	 128
#define BURST	 512
#define FIXED	 63 /* a word of each page that never changes */

static char *view[NTHREADS];
static atomic_int running;
static uint64_t rounds, by_children;

static volatile uint64_t *counter(size_t by, size_t owner, size_t turn)
{
	size_t page = turn * 7 % NPAGES;

	return (uint64_t *)(view[by] + page * PAGE) + turn / NPAGES * 64 +
	       owner * 16;
}

static void count_up(size_t by, size_t owner, size_t turn)
{
	volatile uint64_t *c = counter(by, owner, turn % NTURNS);

	for (int i = 0; i < BURST; i++)
		(*c)++;
}

static void *increment(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;

	for (uint64_t r = 0; r < rounds; r++)
		count_up(me, me, r);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* ---- Children ---- */

static volatile uint64_t *fixed(size_t page)
{
	return (uint64_t *)(view[0] + page * PAGE) + FIXED;
}

static pid_t make_counter(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		alarm(30);
		for (size_t page = 0; page < NPAGES; page++)
			CHECK_EQ(*fixed(page), test_word(1, page));
		for (size_t turn = 0; turn < NTURNS; turn++)
			count_up(turn % NTHREADS, CHILD, turn);
		_exit(0);
	}
	by_children += (uint64_t)NTURNS * BURST;
	return pid;
}

static void make_bare(size_t page)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	CHECK(pid >= 0);
	if (!pid) {
		alarm(30);
		if (test_read_raises((void *)(uintptr_t)fixed(page)))
			_exit(0);
		_exit(*fixed(page) != test_word(1, page));
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* Return: the child that lives, or 0. */
static pid_t children(pid_t child, uint64_t *seed)
{
	int status;

	if (test_below(seed, 64) == 0)
		make_bare(test_below(seed, NPAGES));
	if (child && waitpid(child, &status, WNOHANG) == child) {
		CHECK_EQ(status, 0);
		child = 0;
	}
	return !child && test_below(seed, 16) == 0 ? make_counter() : child;
}

/* ---- The mover ---- */

static uint64_t move(struct uhmm *u, struct uhmm_device *dev, uint64_t *seed)
{
	char *p = view[test_below(seed, NTHREADS)];
	size_t first = test_below(seed, NPAGES);
	size_t n = 1 + test_below(seed, NPAGES - first);
	ssize_t ret = uhmm_migrate(u, p + first * PAGE, n * PAGE, dev);

	CHECK(ret >= 0);
	if (test_below(seed, 4) == 0)
		CHECK(uhmm_migrate(u, p, NPAGES * PAGE, NULL) >= 0);
	return (uint64_t)ret;
}

static uint64_t sum(void)
{
	uint64_t all = 0;

	for (size_t owner = 0; owner < NOWNERS; owner++)
		for (size_t turn = 0; turn < NTURNS; turn++)
			all += *counter((owner + 1) % NTHREADS, owner, turn);
	return all;
}

int main(void)
{
	uint64_t total = test_is_soak() ? UINT64_C(8000000000) :
					  UINT64_C(600000000);
	uint64_t seed = test_seed(), moved = 0;
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_any_device(u, "ram:16M");
	struct uhmm_object *o;
	pthread_t t[NTHREADS];
	pid_t child = 0;

	test_catch(SIGSEGV);
	view[0] = test_shared(NPAGES);
	view[1] = test_again(view[0], NPAGES);
	for (size_t page = 0; page < NPAGES; page++)
		*fixed(page) = test_word(1, page);
	o = test_adopt(u, view[0]);
	rounds = total / NTHREADS / BURST;
	running = NTHREADS;
	for (size_t i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, increment, (void *)i), 0);
	while (running) {
		moved += move(u, dev, &seed);
		child = children(child, &seed);
	}
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
	if (child)
		CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_EQ(sum(), rounds * NTHREADS * BURST + by_children);
	CHECK(moved > NPAGES);
	if (getenv("UHMM_TEST_LOG"))
		printf("%ju increments, %ju of children, %ju pages moved\n",
		       (uintmax_t)sum(), (uintmax_t)by_children,
		       (uintmax_t)moved);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_close(u);
	return 0;
}
