/* SPDX-License-Identifier: MIT */
/*
 * test.h - all that a test needs.  The first check that fails prints where,
 * what and with which values, then the program exits with 1.
 */
#ifndef UHMM_TEST_H
#define UHMM_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEST_SKIPPED 77 /* exit status: this machine cannot run it */

static uint64_t test_seed_value; /* 0: the test draws nothing at random */

_Noreturn static inline void test_fail(void)
{
	if (test_seed_value)
		fprintf(stderr, "replay with UHMM_TEST_SEED=%ju\n",
			(uintmax_t)test_seed_value);
	exit(1);
}

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "%s:%d: %s: not true\n", __FILE__, \
				__LINE__, #cond);                          \
			test_fail();                                       \
		}                                                          \
	} while (0)

/* Integers, enums and booleans. */
#define CHECK_EQ(a, b)                                                         \
	do {                                                                   \
		intmax_t check_a = (intmax_t)(a), check_b = (intmax_t)(b);     \
		if (check_a != check_b) {                                      \
			fprintf(stderr, "%s:%d: %s == %s: %jd, not %jd\n",     \
				__FILE__, __LINE__, #a, #b, check_a, check_b); \
			test_fail();                                           \
		}                                                              \
	} while (0)

#define CHECK_STR(a, b)                                                    \
	do {                                                               \
		const char *check_a = (a), *check_b = (b);                 \
		if (!check_a || strcmp(check_a, check_b)) {                \
			fprintf(stderr, "%s:%d: %s: \"%s\", not \"%s\"\n", \
				__FILE__, __LINE__, #a,                    \
				check_a ? check_a : "NULL", check_b);      \
			test_fail();                                       \
		}                                                          \
	} while (0)

#define CHECK_MEM(a, b, len)                                                   \
	do {                                                                   \
		const unsigned char *check_a = (const void *)(a);              \
		const unsigned char *check_b = (const void *)(b);              \
		size_t at = 0;                                                 \
		if (!memcmp(check_a, check_b, (size_t)(len)))                  \
			break;                                                 \
		while (check_a[at] == check_b[at])                             \
			at++;                                                  \
		fprintf(stderr, "%s:%d: %s: byte %zu is %#x, not %#x\n",       \
			__FILE__, __LINE__, #a, at, check_a[at], check_b[at]); \
		test_fail();                                                   \
	} while (0)

/* ./check soak: run for long. */
static inline bool test_is_soak(void)
{
	return getenv("UHMM_SOAK") != NULL;
}

/* The seed of this run: UHMM_TEST_SEED, or a new one. */
static inline uint64_t test_seed(void)
{
	const char *env = getenv("UHMM_TEST_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	test_seed_value = env ? strtoull(env, NULL, 0) :
				(uint64_t)now.tv_nsec + 1;
	return test_seed_value;
}

/* splitmix64 */
static inline uint64_t test_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline size_t test_below(uint64_t *state, size_t n)
{
	return (size_t)(test_random(state) % n);
}

#endif
