// SPDX-License-Identifier: MIT
/*
 * A thread may migrate the stack it runs on: the call returns, at most a few
 * pages under it stay, and its variables are what they were.  Where
 * the kernel does not wait for pages it has a signal stack, and the end of its
 * stack, where thread-local variables are, stays.
 */
#include <pthread.h>

#include "../context.h"

#define NWORDS (24 * 4096 / sizeof(uint64_t))
#define NPAGES 128

static _Alignas(4096) char signal_stack[16 * 4096];
static uint8_t why[NPAGES];
static char *stack;
static struct uhmm *u;
static struct uhmm_device *dev;

static void *mover(void *arg)
{
	stack_t ss = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	volatile uint64_t words[NWORDS];
	bool all = test_has(u, "threads") && test_has(u, "kernel-faults");
	size_t npages = all ? NPAGES : NPAGES - 8;
	ssize_t n;

	(void)arg;
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	for (size_t i = 0; i < NWORDS; i++)
		words[i] = test_word(7, i);
	n = uhmm_migrate_why(u, stack, npages * PAGE, dev, why);
	CHECK(n > NPAGES / 2);
	for (size_t i = 0; i < npages; i++)
		CHECK(why[i] == UHMM_WHY_OK || why[i] == UHMM_WHY_BUSY ||
		      why[i] == UHMM_WHY_TOUCHED);
	for (size_t i = 0; i < NWORDS; i++)
		CHECK_EQ(words[i], test_word(7, i));
	CHECK(uhmm_migrate(u, stack, npages * PAGE, NULL) > NPAGES / 2);
	for (size_t i = 0; i < NWORDS; i++)
		CHECK_EQ(words[i], test_word(7, i));
	return NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t t;

	u = test_open();
	dev = test_device(u, "ram:16M");
	stack = test_map(NPAGES);
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstack(&attr, stack, NPAGES * PAGE), 0);
	CHECK_EQ(pthread_create(&t, &attr, mover, NULL), 0);
	pthread_join(t, NULL);
	CHECK(test_stats(u).to_device > 8);
	test_close(u);
	return 0;
}
