// SPDX-License-Identifier: MIT
/* Sets of pages agree with arrays of booleans. */
#include "mm/set.h"
#include "test.h"

struct naive {
	bool in[MM_BLOCK_PAGES];
};

static void check_same(const struct mm_set *s, const struct naive *n)
{
	unsigned count = 0, next = 0, at = 0;

	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++) {
		CHECK_EQ(set_has(s, i), n->in[i]);
		count += n->in[i];
	}
	CHECK_EQ(set_count(s), count);
	CHECK_EQ(set_empty(s), count == 0);
	CHECK_EQ(set_full(s), count == MM_BLOCK_PAGES);
	set_for_each(s, i) {
		while (next < i)
			CHECK(!n->in[next++]);
		CHECK(n->in[next++]);
	}
	while (next < MM_BLOCK_PAGES)
		CHECK(!n->in[next++]);
	set_for_each_run(s, first, last) {
		CHECK(first < last && first >= at);
		CHECK(last == MM_BLOCK_PAGES || !n->in[last]);
		CHECK(first == 0 || !n->in[first - 1]);
		for (; at < first; at++)
			CHECK(!n->in[at]);
		for (; at < last; at++)
			CHECK(n->in[at]);
	}
	for (unsigned i = 0; i <= MM_BLOCK_PAGES; i += 7) {
		unsigned k = i;

		while (k < MM_BLOCK_PAGES && n->in[k])
			k++;
		CHECK_EQ(set_find(s, i, false), k < 512 ? k : 512);
	}
}

static void change(struct mm_set *s, struct naive *n, uint64_t *seed)
{
	unsigned a = (unsigned)test_below(seed, MM_BLOCK_PAGES + 1);
	unsigned b = (unsigned)test_below(seed, MM_BLOCK_PAGES + 1);
	unsigned what = (unsigned)test_below(seed, 4);
	bool in = what & 1;

	if (what < 2 && a < MM_BLOCK_PAGES) {
		n->in[a] = in;
		in ? set_add(s, a) : set_del(s, a);
	} else if (what >= 2) {
		if (test_below(seed, 2))
			b = a + (unsigned)test_below(seed, 70);
		b = b > MM_BLOCK_PAGES ? MM_BLOCK_PAGES : b;
		for (unsigned i = a; i < b; i++)
			n->in[i] = in;
		in ? set_add_run(s, a, b) : set_del_run(s, a, b);
	}
}

static void test_random_sets(uint64_t seed)
{
	struct mm_set a, b, r;
	struct naive x = { 0 }, y = { 0 }, z;

	set_clear(&a);
	set_clear(&b);
	for (int i = 0; i < 2000; i++) {
		change(&a, &x, &seed);
		change(&b, &y, &seed);
		check_same(&a, &x);
		for (unsigned k = 0; k < MM_BLOCK_PAGES; k++)
			z.in[k] = x.in[k] && y.in[k];
		r = set_and(&a, &b);
		check_same(&r, &z);
		for (unsigned k = 0; k < MM_BLOCK_PAGES; k++)
			z.in[k] = x.in[k] || y.in[k];
		r = set_or(&a, &b);
		check_same(&r, &z);
		for (unsigned k = 0; k < MM_BLOCK_PAGES; k++)
			z.in[k] = x.in[k] && !y.in[k];
		r = set_minus(&a, &b);
		check_same(&r, &z);
	}
}

static void test_edges(void)
{
	struct mm_set s;

	set_clear(&s);
	set_add_run(&s, 0, MM_BLOCK_PAGES);
	CHECK(set_full(&s));
	CHECK_EQ(set_find(&s, 0, false), MM_BLOCK_PAGES);
	set_del(&s, 511);
	CHECK_EQ(set_find(&s, 0, false), 511);
	CHECK_EQ(set_find(&s, 511, true), 512);
	CHECK_EQ(set_find(&s, 512, true), 512);
	set_add_run(&s, 5, 5);
	set_add_run(&s, 512, 512);
	CHECK_EQ(set_count(&s), 511);
	set_del_run(&s, 60, 70);
	CHECK_EQ(set_count(&s), 501);
}

int main(void)
{
	test_edges();
	test_random_sets(test_seed());
	return 0;
}
