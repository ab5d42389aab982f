// SPDX-License-Identifier: MIT
/* Pages that differ in one bit, whichever it is, have other digests. */
#include "core/page/digest.h"
#include "test.h"

static struct digest_key key;

static void test_bits(unsigned char *page)
{
	struct digest was, now;

	digest_take(&key, page, &was);
	digest_take(&key, page, &now);
	CHECK(digest_equals(&was, &now));
	for (size_t bit = 0; bit < MM_PAGE_SIZE * 8; bit++) {
		page[bit / 8] ^= (unsigned char)(1u << bit % 8);
		digest_take(&key, page, &now);
		CHECK(!digest_equals(&was, &now));
		page[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

/* Words that changed their places. */
static void test_places(uint64_t *page)
{
	struct digest was, now;

	for (size_t i = 0; i < DIGEST_WORDS; i++)
		page[i] = i;
	digest_take(&key, page, &was);
	for (size_t i = 0; i + 1 < DIGEST_WORDS; i++) {
		page[i] = i + 1;
		page[i + 1] = i;
		digest_take(&key, page, &now);
		CHECK(!digest_equals(&was, &now));
		page[i] = i;
		page[i + 1] = i + 1;
	}
}

static void test_keys(const void *page)
{
	static struct digest_key other;
	struct digest a, b;

	CHECK_EQ(digest_key_make(&other), 0);
	CHECK(memcmp(key.k, other.k, sizeof(key.k)));
	digest_take(&key, page, &a);
	digest_take(&other, page, &b);
	CHECK(!digest_equals(&a, &b));
}

int main(void)
{
	static _Alignas(8) unsigned char page[MM_PAGE_SIZE];
	uint64_t seed = test_seed();

	CHECK_EQ(digest_key_make(&key), 0);
	test_bits(page);
	test_keys(page);
	for (size_t i = 0; i < MM_PAGE_SIZE; i++)
		page[i] = (unsigned char)test_below(&seed, 256);
	test_bits(page);
	test_places((uint64_t *)page);
	return 0;
}
