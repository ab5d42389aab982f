// SPDX-License-Identifier: MIT
/*
 * A zram device packs pages by what the first ones had in common, where that
 * pays.  All of them come back, with a dictionary, without, and while it is
 * made.
 */
#include <errno.h>

#include "../../providers/zram/codec.h"
#include "provider.h"

#define PAGE	   ((size_t)4096)
#define ZSTD	   "algo=zstd"
#define NR_THREADS 4

static struct test_device shared;

static struct uhmm_device_usage usage_of(const struct test_device *d)
{
	struct uhmm_device_usage usage = { .size = sizeof(usage) };

	CHECK_EQ(d->desc.ops->usage(d->priv, &usage), 0);
	return usage;
}

#define NR_MANY 4000 /* more than those that a dictionary is made of */

/* A record that all pages have, and numbers. */
static void make_record(unsigned char *page, uint64_t id)
{
	uint64_t rng = id, common = 1;
	size_t at = 0;

	for (; at < PAGE / 2; at++)
		page[at] = (unsigned char)test_random(&common);
	for (; at < PAGE; at++)
		page[at] = (unsigned char)('0' + test_below(&rng, 10));
}

/* Pages with nothing in common. */
static void make_unlike(unsigned char *page, uint64_t id)
{
	uint64_t rng = id;

	for (size_t at = 0; at < PAGE / 2; at++)
		page[at] = (unsigned char)test_random(&rng);
	for (size_t at = PAGE / 2; at < PAGE; at++)
		page[at] = (unsigned char)('0' + test_below(&rng, 2));
}

static void put_many(const struct test_device *d,
		     void (*make)(unsigned char *page, uint64_t id))
{
	unsigned char page[PAGE];

	for (uint64_t i = 0; i < NR_MANY; i++) {
		make(page, i + 1);
		CHECK_EQ(put_pages(d, i, page, 1), 0);
	}
}

/* Bytes that NR_MANY pages take; they come back. */
static uint64_t packed(void (*make)(unsigned char *page, uint64_t id),
		       const char *dictionary, const char *level)
{
	struct test_device d =
		open_provider("zram", NR_MANY, PAIRS(ZSTD, dictionary, level));
	unsigned char page[PAGE], want[PAGE];
	uint64_t bytes;

	put_many(&d, make);
	bytes = usage_of(&d).compressed;
	for (uint64_t i = 0; i < NR_MANY; i++) {
		make(want, i + 1);
		CHECK_EQ(get_pages(&d, i, page, 1), 0);
		CHECK_MEM(page, want, PAGE);
	}
	d.desc.ops->page_free(d.priv, 0, NR_MANY);
	CHECK_EQ(usage_of(&d).compressed, 0);
	close_provider(&d);
	return bytes;
}

/* The first 2048 pages are packed without it. */
static void test_dictionary(void)
{
	uint64_t without = packed(make_record, "dictionary=no", "level=3");
	uint64_t with = packed(make_record, "dictionary=auto", "level=3");

	CHECK(with < without - without / 5);
	CHECK_EQ(packed(make_unlike, "dictionary=auto", "level=3"),
		 packed(make_unlike, "dictionary=no", "level=3"));
	packed(make_record, "dictionary=auto", "level=-10");
	packed(make_record, "dictionary=auto", "level=9");
}

/* A dictionary counts as RAM; one that is of no use takes none. */
static void test_dictionary_ram(void)
{
	struct test_device d = open_provider("zram", NR_MANY, PAIRS(ZSTD));
	struct test_device e = open_provider("zram", NR_MANY, PAIRS(ZSTD));
	uint64_t with, without;

	put_many(&d, make_record);
	put_many(&e, make_unlike);
	d.desc.ops->page_free(d.priv, 0, NR_MANY);
	e.desc.ops->page_free(e.priv, 0, NR_MANY);
	with = usage_of(&d).ram;
	without = usage_of(&e).ram;
	CHECK(with > without + (64 << 10));
	CHECK(with < without + (512 << 10));
	close_provider(&d);
	close_provider(&e);
}

static void test_dictionary_option(void)
{
	const struct uhmm_provider *p = find_provider("zram");
	struct test_device d = { .desc = { .size = sizeof(d.desc),
					   .npages = 100 } };
	const char *values[16];

	fill_values(p, PAIRS("dictionary=perhaps"), values);
	CHECK_EQ(p->open(values, &d.desc, &d.priv), -EINVAL);
}

/* The dictionary is made while others pack, and read. */
static void *packer(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg;
	unsigned char page[PAGE], want[PAGE];

	for (uint64_t i = first; i < NR_MANY; i += NR_THREADS) {
		make_record(want, i + 1);
		CHECK_EQ(put_pages(&shared, i, want, 1), 0);
		CHECK_EQ(get_pages(&shared, i, page, 1), 0);
		CHECK_MEM(page, want, PAGE);
	}
	for (uint64_t i = first; i < NR_MANY; i += NR_THREADS) {
		make_record(want, i + 1);
		CHECK_EQ(get_pages(&shared, i, page, 1), 0);
		CHECK_MEM(page, want, PAGE);
	}
	return NULL;
}

static void test_dictionary_threads(void)
{
	for (int round = 0; round < 3; round++) {
		shared = open_provider("zram", NR_MANY, PAIRS(ZSTD));
		run_workers(packer, NR_THREADS);
		close_provider(&shared);
	}
}

int main(void)
{
	if (!codec_zstd.packer_len) {
		printf("this build has no zstd\n");
		return 77;
	}
	test_dictionary();
	test_dictionary_ram();
	test_dictionary_option();
	test_dictionary_threads();
	return 0;
}
