// SPDX-License-Identifier: MIT
/*
 * The stack of a sleeping thread goes to a device; when it wakes it goes on
 * with its variables as it left them.  Where the kernel does not wait for pages
 * it has a signal stack, and the end of its stack, where thread-local variables
 * are, stays.
 */
#include <pthread.h>
#include <semaphore.h>

#include "../context.h"

#define NWORDS (8 * 4096 / sizeof(uint64_t))
#define NPAGES 128

static sem_t parked, go;
static _Alignas(4096) char signal_stack[16 * 4096];
static char *stack;

static void *sleeper(void *arg)
{
	stack_t ss = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	volatile uint64_t words[NWORDS];

	(void)arg;
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	for (size_t i = 0; i < NWORDS; i++)
		words[i] = test_word(7, i);
	for (int round = 0; round < 3; round++) {
		sem_post(&parked);
		sem_wait(&go);
		for (size_t i = 0; i < NWORDS; i++)
			CHECK_EQ(words[i], test_word(7, i));
	}
	return NULL;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	pthread_attr_t attr;
	bool all = test_has(u, "threads") && test_has(u, "kernel-faults");
	size_t npages = all ? NPAGES : NPAGES - 8;
	pthread_t t;

	stack = test_map(NPAGES);
	sem_init(&parked, 0, 0);
	sem_init(&go, 0, 0);
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstack(&attr, stack, NPAGES * PAGE), 0);
	CHECK_EQ(pthread_create(&t, &attr, sleeper, NULL), 0);
	for (int round = 0; round < 3; round++) {
		sem_wait(&parked);
		/* posted, perhaps not asleep yet: it may touch a page first */
		CHECK(uhmm_migrate(u, stack, npages * PAGE, dev) > 100);
		CHECK(test_count_on(u, stack, NPAGES, dev) > 100);
		sem_post(&go);
	}
	pthread_join(t, NULL);
	test_close(u);
	return 0;
}
