// SPDX-License-Identifier: MIT
/*
 * Shared memory while the n-th call to the kernel fails, for each n: no call
 * has to succeed, but none loses a page, and every view shows the same.
 */
#include "../object.h"
#include "sys/fail.h"

#define NVIEWS 3
#define NPAGES 6
#define LAST   100000

static char *view[NVIEWS];

static bool is_documented(int64_t ret)
{
	return ret >= 0 || ret == -ENOMEM || ret == -EMFILE || ret == -ENOSPC ||
	       ret == -EIO || ret == -EBUSY;
}

static bool map_views(struct uhmm_object *o)
{
	const int prot[] = { RW, RW, PROT_READ };
	bool all = true;

	for (size_t i = 0; i < NVIEWS; i++) {
		void *p = NULL;
		int err = uhmm_object_map(o, 0, NPAGES * PAGE, prot[i], 0, &p);

		CHECK(is_documented(err));
		view[i] = p;
		all = all && !err;
	}
	return all;
}

static void move_and_see(struct uhmm *u, struct uhmm_device *dev, uint64_t seed)
{
	test_fill(view[0], NPAGES, seed);
	CHECK(is_documented(uhmm_migrate(u, view[2], NPAGES * PAGE, dev)));
	test_verify(view[2], 1, seed);
	CHECK(is_documented(uhmm_migrate(u, view[0], 3 * PAGE, NULL)));
	for (size_t i = 0; i < NVIEWS; i++)
		test_verify(view[i], NPAGES, seed);
}

static void live(struct uhmm *u, struct uhmm_device *dev, struct uhmm_object *o)
{
	if (map_views(o)) {
		move_and_see(u, dev, 1);
		move_and_see(u, dev, 2);
		CHECK(is_documented(
			uhmm_migrate(u, view[0], NPAGES * PAGE, dev)));
		CHECK(is_documented(uhmm_object_destroy(o)));
		test_verify(view[1], NPAGES, 2);
		test_verify(view[2], NPAGES, 2);
	} else {
		CHECK(is_documented(uhmm_object_destroy(o)));
	}
	for (size_t i = 0; i < NVIEWS; i++)
		if (view[i])
			CHECK_EQ(munmap(view[i], NPAGES * PAGE), 0);
}

/* Return: whether the n-th call was reached. */
static bool run(int64_t n)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_object *o;
	const char *what;
	int err;

	uhmm_set_log(u, test_no_log, NULL);
	sys_fail_arm(n);
	err = uhmm_object_create(u, NPAGES * PAGE, 0, &o);
	CHECK(is_documented(err));
	if (!err)
		live(u, dev, o);
	what = sys_fail_disarm();
	uhmm_close(u);
	return what != NULL;
}

int main(void)
{
	int64_t step = test_is_soak() ? 1 : 9, n;
	uint64_t seed = test_seed();
	struct uhmm *u = test_open();

	uhmm_object_destroy(test_object(u, 1)); /* or skip */
	test_close(u);
	n = 1 + (int64_t)test_below(&seed, (size_t)step);
	while (n < LAST && run(n))
		n += step;
	CHECK(n < LAST);
	return 0;
}
