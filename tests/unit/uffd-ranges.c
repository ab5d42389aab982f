// SPDX-License-Identifier: MIT
/*
 * The table of tracked ranges: what was added and not deleted is there, and a
 * reader beside the writer finds each range that stays.
 */
#include <pthread.h>

#include "../context.h"
#include "mm/uffd/uffd.h"

#define NPAGES 200
#define STEPS  4000
#define STAYS  (NPAGES + 10) /* a page that is tracked all the while */

static struct uffd b;
static bool tracked[NPAGES];
static atomic_bool done;

static void step(uint64_t *seed)
{
	size_t first = test_below(seed, NPAGES);
	size_t n = 1 + test_below(seed, 12);
	bool add = test_below(seed, 2);

	if (n > NPAGES - first)
		n = NPAGES - first;
	(add ? uffd_ranges_add : uffd_ranges_del)(&b, first * PAGE,
						  (first + n) * PAGE);
	for (size_t i = first; i < first + n; i++)
		tracked[i] = add;
}

static void check_all(void)
{
	for (size_t i = 0; i < NPAGES; i++) {
		CHECK_EQ(uffd_ranges_has(&b, i * PAGE), tracked[i]);
		CHECK_EQ(uffd_ranges_has(&b, i * PAGE + PAGE - 1), tracked[i]);
		CHECK_EQ(uffd_ranges_touch(&b, i * PAGE, (i + 1) * PAGE),
			 tracked[i]);
	}
}

static void *look(void *arg)
{
	(void)arg;
	while (!done) {
		CHECK(uffd_ranges_has(&b, STAYS * PAGE));
		CHECK(!uffd_ranges_has(&b, (STAYS + 1) * PAGE));
	}
	return NULL;
}

int main(void)
{
	uint64_t seed = test_seed();
	pthread_t t;

	CHECK_EQ(uffd_ranges_open(&b), 0);
	uffd_ranges_add(&b, STAYS * PAGE, (STAYS + 1) * PAGE);
	CHECK_EQ(pthread_create(&t, NULL, look, NULL), 0);
	for (unsigned k = 0; k < STEPS; k++) {
		step(&seed);
		if (k % 16 == 0)
			check_all();
	}
	check_all();
	done = true;
	CHECK_EQ(pthread_join(t, NULL), 0);
	uffd_ranges_close(&b);
	return 0;
}
