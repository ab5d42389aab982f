// SPDX-License-Identifier: MIT
/* Compressed pages come back, from any thread, and take little memory. */
#include <errno.h>
#include <pthread.h>

#include "../../providers/zram/codec.h"
#include "provider.h"

#define PAGE	((size_t)4096)
#define NPAGES	2000
#define NR_KEEP 64 /* pages of a run */

static const char *algo; /* the option that the tests run with */

static struct test_device open_zram(uint64_t npages)
{
	return open_provider("zram", npages, PAIRS(algo));
}

/* ---- Pages of every kind, each from one number ---- */

static void make_page(unsigned char *page, uint64_t id)
{
	uint64_t rng = id * 77, word = id % 7 ? id * 0x0101010101 : 0;
	size_t noise;

	switch (id % 4) {
	case 0: /* one word over and over */
		for (size_t i = 0; i < PAGE; i += 8)
			memcpy(page + i, &word, 8);
		return;
	case 1: /* nearly that */
		memset(page, (int)id, PAGE);
		memcpy(page + test_below(&rng, PAGE - 8), &id, 8);
		return;
	default: /* noise, then a pattern; any ratio */
		noise = id % 4 == 2 ? PAGE : test_below(&rng, PAGE / 8) * 8;
		for (size_t i = 0; i < noise; i += 8) {
			word = test_random(&rng);
			memcpy(page + i, &word, 8);
		}
		for (size_t i = noise; i < PAGE; i++)
			page[i] = (unsigned char)(i % 16 + id);
	}
}

static void check_page(const unsigned char *page, uint64_t id)
{
	unsigned char want[PAGE];

	make_page(want, id);
	CHECK_MEM(page, want, PAGE);
}

/* ---- One thread against a model ---- */

struct model {
	struct test_device dev;
	uint64_t id[NPAGES]; /* 0: nothing there */
	uint64_t next_id;
	uint64_t rng;
	unsigned char buf[NR_KEEP * PAGE];
};

static void do_put(struct model *m, uint64_t dpfn, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		m->id[dpfn + i] = ++m->next_id;
		make_page(m->buf + i * PAGE, m->next_id);
	}
	CHECK_EQ(put_pages(&m->dev, dpfn, m->buf, n), 0);
}

static void do_get(struct model *m, uint64_t dpfn, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		all &= m->id[dpfn + i] != 0;
	CHECK_EQ(get_pages(&m->dev, dpfn, m->buf, n), all ? 0 : -EIO);
	for (size_t i = 0; all && i < n; i++)
		check_page(m->buf + i * PAGE, m->id[dpfn + i]);
}

static void do_free(struct model *m, uint64_t dpfn, size_t n)
{
	m->dev.desc.ops->page_free(m->dev.priv, dpfn, n);
	memset(m->id + dpfn, 0, n * sizeof(m->id[0]));
}

static void do_clear(struct model *m, uint64_t dpfn, size_t n)
{
	CHECK_EQ(m->dev.desc.ops->clear(m->dev.priv, dpfn, n), 0);
	for (size_t i = 0; i < n; i++)
		m->id[dpfn + i] = 28; /* a page of zeroes */
}

static void step(struct model *m)
{
	static void (*const ops[])(struct model *, uint64_t, size_t) = {
		do_put, do_put, do_put, do_get, do_get, do_free, do_clear,
	};
	size_t n =
		1 + test_below(&m->rng, test_below(&m->rng, 4) ? 3 : NR_KEEP);
	uint64_t dpfn = test_below(&m->rng, NPAGES - n);

	ops[test_below(&m->rng, 7)](m, dpfn, n);
}

static void test_model(void)
{
	static struct model m;

	memset(&m, 0, sizeof(m));
	m.rng = test_seed();
	m.dev = open_zram(NPAGES);
	for (int i = 0; i < (test_is_soak() ? 3000000 : 30000); i++)
		step(&m);
	for (uint64_t dpfn = 0; dpfn < NPAGES; dpfn++)
		do_get(&m, dpfn, 1);
	/* noise is half of it: never more than the pages themselves */
	CHECK(m.dev.desc.ops->stored(m.dev.priv) < NPAGES * PAGE);
	do_free(&m, 0, NPAGES);
	/* what stays is no more than the chunks kept for reuse */
	CHECK(m.dev.desc.ops->stored(m.dev.priv) <= 32 * 65536);
	close_provider(&m.dev);
}

/* ---- Figures ---- */

static struct uhmm_device_usage usage_of(const struct test_device *d)
{
	struct uhmm_device_usage usage = { .size = sizeof(usage) };

	CHECK_EQ(d->desc.ops->usage(d->priv, &usage), 0);
	return usage;
}

/* Every page is counted once, under what it became last. */
static void test_usage(void)
{
	struct test_device d = open_zram(300);
	static unsigned char pages[3][PAGE];
	struct uhmm_device_usage usage;
	uint64_t rng = 1;

	memset(pages[1], 'x', PAGE); /* repeats a word */
	for (size_t at = 0; at < PAGE; at++)
		pages[2][at] = (unsigned char)test_random(&rng);
	CHECK_EQ(put_pages(&d, 0, pages[0], 3), 0);
	CHECK_EQ(put_pages(&d, 3, pages[0], 3), 0);
	CHECK_EQ(d.desc.ops->clear(d.priv, 6, 4), 0);
	usage = usage_of(&d);
	CHECK_EQ(usage.data, 10 * PAGE);
	CHECK_EQ(usage.same, 8);
	CHECK_EQ(usage.zero, 6);
	CHECK_EQ(usage.huge, 2);
	CHECK_EQ(usage.compressed, 2 * PAGE);
	CHECK(usage.ram >= 2 * PAGE);

	CHECK_EQ(d.desc.ops->clear(d.priv, 1, 2), 0);
	d.desc.ops->page_free(d.priv, 3, 3);
	usage = usage_of(&d);
	CHECK_EQ(usage.data, 7 * PAGE);
	CHECK_EQ(usage.same, 7);
	CHECK_EQ(usage.zero, 7);
	CHECK_EQ(usage.huge, 0);
	CHECK_EQ(usage.compressed, 0);
	close_provider(&d);
}

/* Returns the bytes of RAM that the kernel counts for this process. */
static uint64_t resident(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kb = 0;
	char line[200];

	CHECK(file);
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, "Rss: %lu", &kb) != 1)
		;
	fclose(file);
	CHECK(kb);
	return (uint64_t)kb << 10;
}

/* The RAM that a device says it takes is what the kernel sees. */
static void test_ram(const char *name)
{
	enum {
		N = 4096
	};
	uint64_t before = resident(), ram, seen;
	struct test_device d = open_provider(name, N, PAIRS(algo));
	static unsigned char page[PAGE];

	for (uint64_t i = 0; i < N; i++) {
		make_page(page, i);
		CHECK_EQ(put_pages(&d, i, page, 1), 0);
	}
	ram = usage_of(&d).ram;
	seen = resident() - before;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHECK(ram + (1 << 20) > seen); /* a sanitizer takes some itself */
#endif
	CHECK(seen + (1 << 20) > ram);
	close_provider(&d);
}

/* ---- Forms and sizes ---- */

static void test_forms(void)
{
	struct test_device d = open_zram(300);
	static unsigned char page[PAGE];
	uint64_t rng = 1, word, before;

	/* 16 bytes a page for its entry, nothing for its data */
	for (uint64_t i = 0; i < 100; i++) {
		make_page(page, i * 4);
		CHECK_EQ(put_pages(&d, i, page, 1), 0);
	}
	CHECK_EQ(d.desc.ops->stored(d.priv), 100 * 16);
	/* noise takes its own size */
	for (uint64_t i = 100; i < 200; i++) {
		for (size_t at = 0; at < PAGE; at += 8) {
			word = test_random(&rng);
			memcpy(page + at, &word, 8);
		}
		CHECK_EQ(put_pages(&d, i, page, 1), 0);
	}
	CHECK_EQ(d.desc.ops->stored(d.priv), 200 * 16 + 100 * PAGE);
	/* text takes little: a hundred pages in less than a chunk */
	before = d.desc.ops->stored(d.priv);
	for (size_t at = 0; at < PAGE; at++)
		page[at] = (unsigned char)"compressible "[at % 13];
	for (uint64_t i = 200; i < 300; i++) {
		page[0] = (unsigned char)i;
		CHECK_EQ(put_pages(&d, i, page, 1), 0);
	}
	CHECK(d.desc.ops->stored(d.priv) - before < 65536);
	/* pages that hold nothing cannot be read */
	d.desc.ops->page_free(d.priv, 5, 1);
	CHECK_EQ(get_pages(&d, 5, page, 1), -EIO);
	close_provider(&d);
}

static void test_limit(void)
{
	struct test_device d = open_provider(
		"zram", NPAGES, PAIRS(algo, "limit=1M", "level=9"));
	static unsigned char page[2 * PAGE];
	uint64_t held = 0;
	int err;

	make_page(page, 2);
	make_page(page + PAGE, 6);
	while (!(err = put_pages(&d, held, page, 2)))
		held += 2;
	CHECK_EQ(err, -ENOSPC);
	CHECK_EQ(held, 256);
	CHECK(d.desc.ops->stored(d.priv) <= (1 << 20) + held * 16);
	/* none of a failed call counts; what was there is still right */
	CHECK_EQ(get_pages(&d, held, page, 1), -EIO);
	CHECK_EQ(get_pages(&d, 10, page, 2), 0);
	check_page(page, 2);
	check_page(page + PAGE, 6);
	d.desc.ops->page_free(d.priv, 0, 2);
	CHECK_EQ(put_pages(&d, 1000, page, 2), 0);
	/* memory of one size serves another */
	d.desc.ops->page_free(d.priv, 2, held - 2);
	for (uint64_t i = 0; i < 300; i++) {
		make_page(page, i * 4 + 1);
		CHECK_EQ(put_pages(&d, i, page, 1), 0);
	}
	close_provider(&d);
}

/* ---- Levels ---- */

/* Words in no order: there is something to find for those that look longer. */
static void make_text(unsigned char *page, uint64_t id)
{
	static const char *const words[] = { "page",   "device",     "of the",
					     "memory", "compressed", "a",
					     "moves",  "is",	     "and",
					     "back" };
	uint64_t rng = id;
	size_t at = 0;

	memset(page, '.', PAGE);
	while (at < PAGE - 16)
		at += (size_t)sprintf((char *)page + at, "%s ",
				      words[test_below(&rng, 10)]);
}

/* Bytes that a hundred pages take at this level; they come back. */
static uint64_t compressed_at(const char *level)
{
	struct test_device d = open_provider("zram", 100, PAIRS(algo, level));
	static unsigned char page[PAGE], want[PAGE];
	uint64_t bytes;

	for (uint64_t i = 0; i < 100; i++) {
		make_text(page, i + 1);
		CHECK_EQ(put_pages(&d, i, page, 1), 0);
	}
	bytes = usage_of(&d).compressed;
	for (uint64_t i = 0; i < 100; i++) {
		make_text(want, i + 1);
		CHECK_EQ(get_pages(&d, i, page, 1), 0);
		CHECK_MEM(page, want, PAGE);
	}
	close_provider(&d);
	return bytes;
}

/* A higher level compresses better, as it does everywhere. */
static void test_lz4_levels(void)
{
	uint64_t plain = compressed_at("level=1");

	CHECK_EQ(compressed_at("level=default"), plain);
	/* lz4 before 1.10 has no level 2 of its own */
	CHECK(compressed_at("level=2") <= plain);
	CHECK_EQ(compressed_at("level=-1"), plain);
	CHECK(compressed_at("level=-100") > plain);
	CHECK(compressed_at("level=3") < plain);
	CHECK(compressed_at("level=9") <= compressed_at("level=3"));
	CHECK(compressed_at("level=-65537") >= plain);
}

static void test_zstd_levels(void)
{
	uint64_t plain = compressed_at("level=3");

	CHECK_EQ(compressed_at("level=default"), plain);
	CHECK(compressed_at("level=1") > plain);
	CHECK(compressed_at("level=-10") > compressed_at("level=1"));
	CHECK(compressed_at("level=-131072") >= compressed_at("level=-10"));
	CHECK(compressed_at("level=9") < plain);
	CHECK(compressed_at("level=22") <= compressed_at("level=9"));
	algo = "algo=lz4";
	CHECK(compressed_at("level=default") > plain);
}

/* RAM of a device that has packed one page, and given it back. */
static uint64_t ram_at(const char *level)
{
	struct test_device d = open_provider("zram", 100, PAIRS(algo, level));
	unsigned char page[PAGE];
	uint64_t ram;

	make_text(page, 1);
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	CHECK_EQ(get_pages(&d, 0, page, 1), 0);
	ram = usage_of(&d).ram;
	close_provider(&d);
	return ram;
}

/* The memory that a codec works in counts, and no level takes much. */
static void test_zstd_ram(void)
{
	uint64_t least = ram_at("level=1"), most = ram_at("level=22");

	CHECK(least > (160 << 10));
	CHECK(most > least + (128 << 10));
	CHECK(most < least + (256 << 10));
}

/* ---- Many threads ---- */

#define NR_THREADS 4
#define SHARE	   (NPAGES / NR_THREADS)

static struct test_device shared;

/* Each has pages of its own; all free into, and take from, the same chunks. */
static void *worker(void *arg)
{
	uint64_t nr = (uint64_t)(uintptr_t)arg, rng = nr + 1, id = nr << 32;
	uint64_t ids[SHARE] = { 0 };
	unsigned char page[PAGE];

	for (int i = 0; i < (test_is_soak() ? 1000000 : 10000); i++) {
		size_t at = test_below(&rng, SHARE);
		uint64_t dpfn = nr * SHARE + at;

		if (ids[at] && test_below(&rng, 2)) {
			CHECK_EQ(get_pages(&shared, dpfn, page, 1), 0);
			check_page(page, ids[at]);
			shared.desc.ops->page_free(shared.priv, dpfn, 1);
			ids[at] = 0;
		} else {
			ids[at] = ++id;
			make_page(page, id);
			CHECK_EQ(put_pages(&shared, dpfn, page, 1), 0);
		}
	}
	shared.desc.ops->page_free(shared.priv, nr * SHARE, SHARE);
	return NULL;
}

static void test_threads(void)
{
	shared = open_zram(NPAGES);
	CHECK(shared.desc.flags & UHMM_DEVICE_CONCURRENT);
	run_workers(worker, NR_THREADS);
	CHECK(shared.desc.ops->stored(shared.priv) <= 32 * 65536);
	close_provider(&shared);
}

static void test_algo(const char *name)
{
	algo = name;
	test_usage();
	test_ram("zram");
	test_forms();
	test_limit();
	test_model();
	test_threads();
}

int main(void)
{
	test_ram("ram");
	test_ram("dax");
	test_algo("algo=lz4");
	test_lz4_levels();
	if (!codec_zstd.packer_len)
		return 0;
	test_algo("algo=zstd");
	test_zstd_ram();
	test_zstd_levels();
	return 0;
}
