// SPDX-License-Identifier: MIT
/*
 * Threads touch memory that others unregister, close, or map something else
 * over, all the time: each touch is made, and no SIGBUS comes to the program.
 * A second context is open meanwhile, or none, and children are made.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES	    512
#define NR_TOUCHERS 3

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area;
static int file;
static atomic_bool stop;
static _Atomic uint64_t touches;

static void *toucher(void *arg)
{
	uint64_t rnd = (uintptr_t)arg;

	while (!stop) {
		size_t page = test_below(&rnd, NPAGES);
		volatile uint64_t *w = (uint64_t *)(area + page * PAGE);

		w[(uintptr_t)arg]++;
		touches++;
	}
	return NULL;
}

static void open_it(void)
{
	u = test_open();
	dev = test_device(u, "ram:4M");
}

static void move(uint64_t *rnd)
{
	uhmm_migrate(u, area, NPAGES * PAGE, dev);
	if (test_below(rnd, 2))
		CHECK_EQ(madvise(area, 64 * PAGE, MADV_DONTNEED), 0);
}

static void unregister_it(uint64_t *rnd)
{
	move(rnd);
	CHECK_EQ(uhmm_unregister(u, area, NPAGES * PAGE), 0);
}

static void close_it(uint64_t *rnd)
{
	move(rnd);
	test_close(u);
	open_it();
}

static void map(int flags, int fd)
{
	CHECK(mmap(area, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED | flags, fd, 0) == area);
}

static void map_over(uint64_t *rnd)
{
	(void)rnd;
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	map(MAP_ANONYMOUS, -1);
}

static void map_file_over(uint64_t *rnd)
{
	map_over(rnd);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	map(0, file);
	map(MAP_ANONYMOUS, -1);
}

static void fork_it(uint64_t *rnd)
{
	pid_t pid;
	int status;

	move(rnd);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		for (size_t i = 0; i < NPAGES; i++)
			(*(volatile uint64_t *)(area + i * PAGE))++;
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void race(void (*fn)(uint64_t *rnd), uint64_t ms, uint64_t *rnd)
{
	pthread_t threads[NR_TOUCHERS];
	uint64_t until = now_ms() + ms;

	open_it();
	stop = false;
	touches = 0;
	for (uintptr_t i = 0; i < NR_TOUCHERS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, toucher, (void *)i),
			 0);
	while (now_ms() < until || touches < 100)
		fn(rnd);
	stop = true;
	for (size_t i = 0; i < NR_TOUCHERS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	test_close(u);
}

int main(void)
{
	void (*const races[])(uint64_t *) = { unregister_it, close_it, map_over,
					      map_file_over, fork_it };
	uint64_t ms = test_is_soak() ? 60000 : 150, rnd = test_seed();
	struct uhmm *second;

	area = test_map_blocks(1);
	file = memfd_create("over", MFD_CLOEXEC);
	CHECK_EQ(ftruncate(file, NPAGES * PAGE), 0);
	for (size_t i = 0; i < sizeof(races) / sizeof(*races); i++)
		race(races[i], ms, &rnd);
	second = test_open();
	race(unregister_it, ms, &rnd);
	race(close_it, ms, &rnd);
	test_close(second);
	return 0;
}
