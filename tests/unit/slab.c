// SPDX-License-Identifier: MIT
/* Objects are zeroed, apart from each other, and used again. */
#include <pthread.h>

#include "core/page/slab.h"
#include "sys/fail.h"
#include "test.h"

#define NR 3000

static void test_apart(size_t size)
{
	static unsigned char *obj[NR];
	struct slab s = { .size = size };
	void *again;

	for (unsigned i = 0; i < NR; i++) {
		obj[i] = slab_alloc(&s);
		CHECK(obj[i] != NULL);
		for (size_t k = 0; k < size; k++)
			CHECK_EQ(obj[i][k], 0);
		memset(obj[i], (int)(i % 255 + 1), size);
	}
	for (unsigned i = 0; i < NR; i++)
		for (size_t k = 0; k < size; k++)
			CHECK_EQ(obj[i][k], i % 255 + 1);
	slab_free(&s, obj[7]);
	again = slab_alloc(&s);
	CHECK(again == obj[7]);
	for (size_t k = 0; k < size; k++)
		CHECK_EQ(obj[7][k], 0);
	slab_free(&s, NULL);
	slab_destroy(&s);
	CHECK(!s.chunks && !s.free);
}

static void test_no_memory(void)
{
	struct slab s = { .size = 64 };
	void *obj;

	sys_fail_arm(1);
	CHECK(!slab_alloc(&s));
	CHECK_STR(sys_fail_disarm(), "mmap");
	obj = slab_alloc(&s);
	CHECK(obj != NULL);
	slab_free(&s, obj);
	slab_destroy(&s);
}

static struct slab shared = { .size = 64 };

static void *churn(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	uint64_t *held[16] = { 0 };

	for (int i = 0; i < 20000; i++) {
		uint64_t **p = &held[test_below(&seed, 16)];

		if (*p) {
			CHECK_EQ(**p, (uintptr_t)arg);
			slab_free(&shared, *p);
			*p = NULL;
		} else {
			*p = slab_alloc(&shared);
			CHECK(*p && !**p);
			**p = (uintptr_t)arg;
		}
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t t[3];

	for (uintptr_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, churn, (void *)(i + 1)),
			 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	slab_destroy(&shared);
}

int main(void)
{
	test_apart(8);
	test_apart(192);
	test_apart(4096);
	test_no_memory();
	test_threads();
	return 0;
}
