// SPDX-License-Identifier: MIT
/*
 * stress.c - threads use pages, and fork, while another one moves them.
 *
 * also: ring
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

#define NPAGES	   64UL
#define NR_THREADS 4
#define SECONDS	   4

static char *memory;
static atomic_bool is_over;

/* A word of each page is this thread's alone. */
static void *use(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	size_t index = (uintptr_t)arg;
	uint64_t mine[NPAGES] = { 0 };

	while (!is_over) {
		size_t i = (size_t)rand_r(&seed) % NPAGES;
		volatile uint64_t *word =
			(uint64_t *)(memory + i * PAGE) + index;

		CHECK_EQ(*word, mine[i]);
		*word = ++mine[i];
	}
	return NULL;
}

static void *fork_often(void *arg)
{
	while (!is_over) {
		int pid = fork();

		if (pid == 0) {
			for (size_t i = 0; i < NPAGES; i++)
				((volatile char *)memory)[i * PAGE + 4095] = 1;
			_exit(0);
		}
		expect_child(pid);
		usleep(20000);
	}
	return arg;
}

static void move_all(void)
{
	unsigned int rounds = 0;
	time_t end = time(NULL) + SECONDS;

	while (time(NULL) < end) {
		out(memory, NPAGES);
		if (rounds++ % 4 == 0)
			home(memory, NPAGES);
	}
	CHECK(statistics().out > NPAGES);
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_THREADS + 1];

	start(argc, argv);
	memory = map_pages(NPAGES);
	for (size_t i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, use, (void *)i));
	CHECK(!pthread_create(&threads[NR_THREADS], NULL, fork_often, NULL));
	move_all();
	is_over = true;
	for (size_t i = 0; i <= NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(memory[i * PAGE + 4095], 0);
	return 0;
}
