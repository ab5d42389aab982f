// SPDX-License-Identifier: MIT
/*
 * Four times as much as the limit on RAM is written, then read: at no moment
 * more stays in RAM than the limit and a little, and the data are intact.
 * Pinned pages stay all the while.  A fork(2) for which all comes home passes
 * the limit, and that is counted.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../context.h"

#define LIMIT  ((size_t)16 << 20)
#define NPAGES (4 * LIMIT / PAGE)
#define SLACK  (LIMIT / 8)

static struct uhmm *u;
static atomic_bool stop;
static uint64_t most;

static void *sampler(void *arg)
{
	struct timespec ms = { 0, 1000 * 1000 };

	(void)arg;
	while (!stop) {
		uint64_t now = test_stats(u).ram_pages * PAGE;

		if (now > most)
			most = now;
		nanosleep(&ms, NULL);
	}
	return NULL;
}

static void pass_it(const char *p)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, NPAGES / 2, 2);
		_exit(0);
	}
	CHECK_EQ(test_stats(u).limit_exceeded, 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	struct uhmm_device *dev;
	pthread_t t;
	char *p;

	u = test_open_with((struct uhmm_params){ .ram_limit = LIMIT });
	dev = test_device(u, "ram:96M");
	p = test_map_blocks(4 * LIMIT / BLOCK);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(pthread_create(&t, NULL, sampler, NULL), 0);
	test_fill(p, 1, 0);
	CHECK_EQ(uhmm_pin(u, p, PAGE), 0);
	test_fill(p, NPAGES, 1);
	CHECK(test_info(dev).used >= NPAGES * 3 / 4 - SLACK / PAGE);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES / 2, 2); /* writes without a read first */
	test_verify(p, NPAGES / 2, 2);
	CHECK_EQ(test_count_on(u, p, 1, NULL), 1);
	stop = true;
	pthread_join(t, NULL);
	CHECK(test_stats(u).ram_peak * PAGE > LIMIT / 2);
	if (most > LIMIT + SLACK)
		fprintf(stderr, "%ju KiB in RAM\n", (uintmax_t)most >> 10);
	CHECK(most <= LIMIT + SLACK);
	CHECK(test_stats(u).evicted > 0);
	CHECK_EQ(test_stats(u).limit_exceeded, 0);
	pass_it(p);
	test_close(u);
	return 0;
}
