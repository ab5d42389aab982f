// SPDX-License-Identifier: MIT
/*
 * Several threads touch a page, and its copy home takes long: all threads wait,
 * then all see the data, and the device is read once.
 */
#include "../device.h"

#define NTHREADS 4

static struct test_ops ops;
static uint64_t *page;

static void *toucher(void *arg)
{
	volatile uint64_t *w = page;
	size_t i = (size_t)(uintptr_t)arg;

	CHECK_EQ(w[i], test_word(1, i));
	w[i] = i;
	return NULL;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, 16);
	pthread_t t[NTHREADS];

	page = test_map(1);
	test_fill(page, 1, 1);
	test_move(u, page, 1, dev);
	ops.hold_out = 1;
	for (size_t i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, toucher, (void *)i), 0);
	test_wait_held(&ops);
	test_release(&ops);
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(ops.out, 1);
	for (size_t i = 0; i < PAGE_WORDS; i++)
		CHECK_EQ(page[i], i < NTHREADS ? i : test_word(1, i));
	test_close(u);
	return 0;
}
