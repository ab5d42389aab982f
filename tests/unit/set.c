// SPDX-License-Identifier: MIT
/* Sets of pages behave like arrays of booleans. */
#include "mm/set.h"
#include "test.h"

#define N MM_BLOCK_PAGES

static void check_same(const struct mm_set *s, const bool *model)
{
	unsigned count = 0, at = 0;

	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(set_has(s, i), model[i]);
		count += model[i];
	}
	CHECK_EQ(set_count(s), count);
	CHECK_EQ(set_empty(s), count == 0);
	CHECK_EQ(set_full(s), count == N);
	set_for_each(s, i)
	{
		while (!model[at])
			at++;
		CHECK_EQ(i, at);
		at++;
	}
	at = 0;
	set_for_each_run(s, first, last)
	{
		CHECK(first < last);
		for (; at < first; at++)
			CHECK(!model[at]);
		for (; at < last; at++)
			CHECK(model[at]);
		CHECK(last == N || !model[last]);
	}
	for (; at < N; at++)
		CHECK(!model[at]);
}

static void test_operators(const struct mm_set *a, const bool *ma,
			   const struct mm_set *b, const bool *mb)
{
	struct mm_set both = set_and(a, b), any = set_or(a, b);
	struct mm_set only = set_minus(a, b);

	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(set_has(&both, i), ma[i] && mb[i]);
		CHECK_EQ(set_has(&any, i), ma[i] || mb[i]);
		CHECK_EQ(set_has(&only, i), ma[i] && !mb[i]);
	}
}

static void change(struct mm_set *s, bool *model, uint64_t *rng)
{
	unsigned a = (unsigned)test_below(rng, N + 1);
	unsigned b = (unsigned)test_below(rng, N + 1);
	unsigned first = a < b ? a : b, last = a < b ? b : a;
	size_t what = test_below(rng, 5);

	if (what == 0)
		set_add_run(s, first, last);
	else if (what == 1)
		set_del_run(s, first, last);
	if (what < 2)
		memset(model + first, what == 0, last - first);
	if (what == 2 && a < N)
		set_add(s, a), model[a] = true;
	if (what == 3 && a < N)
		set_del(s, a), model[a] = false;
}

int main(void)
{
	uint64_t rng = test_seed();
	struct mm_set s[2];
	bool model[2][N] = { { false } };
	unsigned first, last = 0;

	set_clear(&s[0]);
	set_clear(&s[1]);
	check_same(&s[0], model[0]);
	CHECK(!set_next_run(&s[0], &first, &last));
	for (int i = 0; i < 3000; i++) {
		change(&s[i % 2], model[i % 2], &rng);
		check_same(&s[i % 2], model[i % 2]);
		test_operators(&s[0], model[0], &s[1], model[1]);
	}
	set_add_run(&s[0], 0, N);
	memset(model[0], true, N);
	check_same(&s[0], model[0]);
	return 0;
}
