/* SPDX-License-Identifier: MIT */
/* movers.h - threads that move the pages of a range there and back */
#ifndef UHMM_TEST_MOVERS_H
#define UHMM_TEST_MOVERS_H

#include <pthread.h>

#include "context.h"

#define NMOVERS 2

static struct movers {
	struct uhmm *u;
	struct uhmm_device *dev;
	char *p;
	size_t npages, most; /* at once */
	uint64_t seed;
	atomic_bool stop;
	atomic_ulong moved;
	pthread_t thread[NMOVERS];
} movers;

static inline void *movers_main(void *arg)
{
	struct movers *m = &movers;
	uint64_t s = m->seed + (uintptr_t)arg;

	while (!m->stop) {
		size_t i = test_below(&s, m->npages);
		size_t most = m->npages - i < m->most ? m->npages - i : m->most;
		size_t n = 1 + test_below(&s, most);
		ssize_t ret = uhmm_migrate(m->u, m->p + i * PAGE, n * PAGE,
					   test_below(&s, 3) ? m->dev : NULL);

		if (ret > 0)
			atomic_fetch_add(&m->moved, (unsigned long)ret);
	}
	return NULL;
}

static inline void movers_start(void)
{
	for (uintptr_t k = 0; k < NMOVERS; k++)
		CHECK_EQ(pthread_create(&movers.thread[k], NULL, movers_main,
					(void *)k),
			 0);
}

static inline void movers_join(void)
{
	movers.stop = true;
	for (size_t k = 0; k < NMOVERS; k++)
		pthread_join(movers.thread[k], NULL);
	CHECK(movers.moved > 0);
}

#endif
