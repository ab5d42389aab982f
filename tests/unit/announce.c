// SPDX-License-Identifier: MIT
/*
 * Each change that is announced to mirrors has its end on every path: what a
 * begin has counted, in the mirrors that are there and those that are added
 * later, its end takes away, and nothing else does.  A begin that fails has
 * counted nothing, whichever allocation fails.
 */
#include "core/notify/mirror.h"
#include "sys/fail.h"
#include "world.h"

#define NR 4 /* mirrors of four pages each, side by side */

static struct world w;
static unsigned told;
static int in_callback[2];

static int enter(void *priv, uintptr_t start, const uhmm_pfn_t *pfns, size_t n)
{
	(void)priv, (void)start, (void)pfns, (void)n;
	return 0;
}

static void forget(void *priv, uintptr_t start, uintptr_t end,
		   enum uhmm_notify why)
{
	(void)priv, (void)start, (void)end, (void)why;
	told++;
	in_callback[0] =
		uhmm_notify_begin(w.u, world_at(0), PAGE, UHMM_NOTIFY_CLEAR);
	in_callback[1] = uhmm_notify_end(w.u, world_at(0), PAGE);
}

static struct uhmm_mirror *add(unsigned nr)
{
	static const struct uhmm_mirror_ops ops = { .size = sizeof(ops),
						    .map = enter,
						    .invalidate = forget };
	struct uhmm_mirror *m = NULL;

	CHECK_EQ(uhmm_mirror_add(w.u, world_at(4 * nr), 4 * PAGE, NULL, &ops,
				 NULL, &m),
		 0);
	return m;
}

static int begin(size_t page, size_t n)
{
	return uhmm_notify_begin(w.u, world_at(page), n * PAGE,
				 UHMM_NOTIFY_PROTECT);
}

static int end(size_t page, size_t n)
{
	return uhmm_notify_end(w.u, world_at(page), n * PAGE);
}

static uint32_t count(const struct uhmm_mirror *m)
{
	return atomic_load(&m->changing);
}

static void test_overlaps(void)
{
	struct uhmm_mirror *a = add(0), *b = add(1);

	CHECK_EQ(begin(3, 2), 0); /* a part of both */
	CHECK_EQ(begin(4, 1), 0); /* @b only */
	CHECK_EQ(begin(4, 1), 0);
	CHECK_EQ(count(a), 1);
	CHECK_EQ(count(b), 3);
	CHECK_EQ(end(3, 1), -EINVAL); /* none that was announced */
	CHECK_EQ(end(0, 1), -EINVAL);
	CHECK_EQ(end(4, 1), 0);
	CHECK_EQ(end(3, 2), 0);
	CHECK_EQ(count(a), 0);
	CHECK_EQ(count(b), 1);
	CHECK_EQ(end(4, 1), 0);
	CHECK_EQ(end(4, 1), -EINVAL);
	CHECK_EQ(count(b), 0);
	CHECK_EQ(uhmm_mirror_remove(a), 0);
	CHECK_EQ(uhmm_mirror_remove(b), 0);
}

/* One is added and one removed while changes are under way. */
static void test_added(void)
{
	struct uhmm_mirror *a = add(0), *b;

	CHECK_EQ(begin(0, 8), 0);
	b = add(1);
	CHECK_EQ(count(b), 1);
	CHECK_EQ(uhmm_mirror_fault(b, world_at(0), PAGE, 0), -EINVAL);
	CHECK_EQ(uhmm_mirror_remove(a), 0);
	CHECK_EQ(begin(4, 4), 0);
	a = add(0);
	CHECK_EQ(count(a), 1);
	CHECK_EQ(count(b), 2);
	CHECK_EQ(end(0, 8), 0);
	CHECK_EQ(count(a), 0);
	CHECK_EQ(count(b), 1);
	CHECK_EQ(end(4, 4), 0);
	CHECK_EQ(count(b), 0);
	CHECK_EQ(uhmm_mirror_remove(a), 0);
	CHECK_EQ(uhmm_mirror_remove(b), 0);
	CHECK_EQ(begin(0, 8), 0); /* with no mirror at all */
	CHECK_EQ(end(0, 8), 0);
}

static void test_callback(void)
{
	struct uhmm_mirror *a = add(0);

	told = 0;
	CHECK_EQ(begin(0, 1), 0);
	CHECK_EQ(told, 1);
	CHECK_EQ(in_callback[0], -EDEADLK);
	CHECK_EQ(in_callback[1], -EDEADLK);
	CHECK_EQ(count(a), 1);
	CHECK_EQ(end(0, 1), 0);
	CHECK_EQ(count(a), 0);
	CHECK_EQ(uhmm_mirror_remove(a), 0);
}

/* Enough changes at once that memory for them is needed again and again. */
static unsigned announce_many(struct uhmm_mirror *const *m, int64_t fail_at)
{
	unsigned nr = 0, failed = 0;

	sys_fail_arm(fail_at);
	for (unsigned i = 0; i < 400; i++) {
		int err = begin(0, 4 * NR);

		CHECK(!err || err == -ENOMEM);
		nr += !err;
		failed += !!err;
		for (unsigned k = 0; k < NR; k++)
			CHECK_EQ(count(m[k]), nr);
	}
	sys_fail_disarm();
	for (; nr; nr--)
		CHECK_EQ(end(0, 4 * NR), 0);
	CHECK_EQ(end(0, 4 * NR), -EINVAL);
	for (unsigned k = 0; k < NR; k++)
		CHECK_EQ(count(m[k]), 0);
	return failed;
}

static void test_failures(void)
{
	struct uhmm_mirror *m[NR];
	unsigned failed = 0;

	for (unsigned k = 0; k < NR; k++)
		m[k] = add(k);
	for (int64_t n = 1; n < 6; n++)
		failed += announce_many(m, n);
	CHECK(failed > 0);
	for (unsigned k = 0; k < NR; k++)
		CHECK_EQ(uhmm_mirror_remove(m[k]), 0);
}

int main(void)
{
	struct uhmm_params params = { .size = sizeof(params) };

	w = world_open(&params);
	world_map(&w, 0, 4 * NR);
	test_failures(); /* while the slab is empty */
	test_overlaps();
	test_added();
	test_callback();
	world_close(&w);
	return 0;
}
