// SPDX-License-Identifier: MIT
/* A percentile of the histogram is within 6 % of the sorted one's. */
#include "core/context/hist.h"
#include "test.h"

#define NR 20000

static uint64_t value[NR];

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_near(uint64_t got, uint64_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	if (off * 100 > want * 6)
		fprintf(stderr, "%ju, not %ju\n", (uintmax_t)got,
			(uintmax_t)want);
	CHECK(off * 100 <= want * 6);
}

static void test_quantiles(uint64_t *seed, unsigned octaves)
{
	static const unsigned permille[] = { 1, 10, 500, 900, 990, 999, 1000 };
	static struct hist h;

	memset((void *)&h, 0, sizeof(h));
	for (unsigned i = 0; i < NR; i++) {
		value[i] = test_random(seed) >> test_below(seed, octaves) >>
			   (64 - octaves);
		hist_add(&h, value[i]);
	}
	qsort(value, NR, sizeof(*value), by_value);
	for (unsigned i = 0; i < sizeof(permille) / sizeof(*permille); i++)
		check_near(
			hist_quantile(&h, permille[i]),
			value[(NR * (uint64_t)permille[i] + 999) / 1000 - 1]);
	CHECK_EQ(h.max, value[NR - 1]);
}

static void test_buckets(void)
{
	unsigned last = 0;

	for (uint64_t v = 0; v < 100000; v++) {
		unsigned i = hist_bucket(v);

		CHECK(i == last || i == last + 1);
		CHECK_EQ(hist_bucket(hist_value(i)), i);
		last = i;
	}
	CHECK_EQ(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
	CHECK_EQ(hist_bucket(UINT64_C(1) << 63), HIST_BUCKETS - 1);
}

static void test_empty(void)
{
	static struct hist h;

	CHECK_EQ(hist_quantile(&h, 500), 0);
	hist_add(&h, 7);
	CHECK_EQ(hist_quantile(&h, 0), 0);
	CHECK_EQ(hist_quantile(&h, 500), 7);
	CHECK_EQ(hist_quantile(&h, 1000), 7);
}

int main(void)
{
	uint64_t seed = test_seed();

	test_buckets();
	test_empty();
	for (unsigned octaves = 5; octaves < 45; octaves++)
		test_quantiles(&seed, octaves);
	return 0;
}
