// SPDX-License-Identifier: MIT
/* Every codec gives back each page, and reads nothing but a packed one. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../providers/zram/codec.h"
#include "../../providers/zram/workspace.h"
#include "provider.h"

#define PAGE ((size_t)4096)
#define ROOM (PAGE * 7 / 8)

/* @len zeroed bytes, 64-byte aligned, and right after them nothing. */
static unsigned char *fenced(size_t len)
{
	size_t whole = (len + 63 + PAGE) & ~(PAGE - 1);
	unsigned char *p = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p + whole, PAGE, PROT_NONE), 0);
	return p + whole - ((len + 63) & ~(size_t)63);
}

/* ---- Pages of every kind ---- */

enum {
	ZEROES,
	SAME,
	TEXT,
	NOISE,
	HALF_NOISE,
	ONE_BIT,
	NR_KINDS,
};

static void make_noise(unsigned char *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)test_random(&seed);
}

static void make_page(unsigned char *page, int kind, uint64_t seed)
{
	static const char *const words[] = { "page ", "device ", "memory ",
					     "is ",   "of the ", "moves " };
	size_t at = 0;

	memset(page, kind == SAME ? (int)seed + 1 : 0, PAGE);
	switch (kind) {
	case TEXT:
		while (at < PAGE - 8)
			at += (size_t)sprintf((char *)page + at, "%s",
					      words[test_below(&seed, 6)]);
		break;
	case NOISE:
		make_noise(page, PAGE, seed + 1);
		break;
	case HALF_NOISE:
		make_noise(page + PAGE / 4, PAGE / 2, seed + 1);
		break;
	case ONE_BIT:
		page[seed * 1237 % PAGE] = (unsigned char)(1 << seed % 8);
		break;
	}
}

/* ---- One codec at one level ---- */

struct bench {
	const struct codec *codec;
	int level;
	unsigned char *packer, *unpacker;
	unsigned char *page, *back;
};

static void begin(struct bench *b, const struct codec *codec, int level)
{
	*b = (struct bench){
		.codec = codec,
		.level = level,
		.packer = fenced(codec->packer_len(level)),
		.page = fenced(PAGE),
		.back = fenced(PAGE),
	};
	CHECK_EQ(codec->packer_init(b->packer, level), 0);
	if (!codec->unpacker_len)
		return;
	b->unpacker = fenced(codec->unpacker_len());
	CHECK_EQ(codec->unpacker_init(b->unpacker), 0);
}

/* Packed bytes of the page, in memory that ends where they do; 0: too long. */
static size_t pack(struct bench *b, size_t room, unsigned char **ret)
{
	static unsigned char out[PAGE];
	size_t len = b->codec->pack(b->packer, b->page, out, room);

	CHECK(len <= room);
	*ret = fenced(PAGE) + PAGE - len;
	memcpy(*ret, out, len);
	return len;
}

static void drop_packed(unsigned char *packed)
{
	size_t at = (uintptr_t)packed & (PAGE - 1);

	CHECK_EQ(munmap(packed - at, at ? 2 * PAGE : PAGE), 0);
}

static int unpack(struct bench *b, const unsigned char *packed, size_t len)
{
	memset(b->back, 0xa5, PAGE);
	return b->codec->unpack(b->unpacker, packed, len, b->back);
}

static void round_trip(struct bench *b, int kind, uint64_t seed)
{
	unsigned char *packed;
	size_t len;

	make_page(b->page, kind, seed);
	len = pack(b, ROOM, &packed);
	CHECK(!len || kind != NOISE);
	CHECK(len || kind == NOISE || b->level < -1);
	if (len) {
		CHECK_EQ(unpack(b, packed, len), 0);
		CHECK_MEM(b->back, b->page, PAGE);
	}
	drop_packed(packed);
}

/* Nothing of what a page leaves in a codec's memory is seen in the next. */
static void test_round_trips(const struct codec *codec, int level)
{
	struct bench b;

	begin(&b, codec, level);
	for (uint64_t seed = 0; seed < 20; seed++) {
		for (int kind = 0; kind < NR_KINDS; kind++)
			round_trip(&b, kind, seed);
	}
}

/* Any room is kept to, and what fits into it is a page. */
static void test_room(const struct codec *codec)
{
	struct bench b;
	unsigned char *packed;

	begin(&b, codec, codec->level);
	make_page(b.page, TEXT, 3);
	for (size_t room = 0; room < ROOM; room += 7) {
		size_t len = pack(&b, room, &packed);

		if (len) {
			CHECK_EQ(unpack(&b, packed, len), 0);
			CHECK_MEM(b.back, b.page, PAGE);
		}
		drop_packed(packed);
	}
}

/* A page that is cut short is refused; the one after it is read. */
static void test_cut(const struct codec *codec)
{
	struct bench b;
	unsigned char *packed;
	size_t len;

	begin(&b, codec, codec->level);
	make_page(b.page, HALF_NOISE, 1);
	len = pack(&b, ROOM, &packed);
	CHECK(len);
	for (size_t cut = 0; cut < len; cut++) {
		unsigned char *part = fenced(PAGE) + PAGE - cut;

		memcpy(part, packed, cut);
		CHECK_EQ(unpack(&b, part, cut), -EIO);
		drop_packed(part);
	}
	CHECK_EQ(unpack(&b, packed, len), 0);
	CHECK_MEM(b.back, b.page, PAGE);
}

/* Wrong bytes make a wrong page or none; the fences tell of more. */
static void test_corrupt(const struct codec *codec)
{
	uint64_t rng = test_seed();
	unsigned char *packed, *noise = fenced(PAGE);
	struct bench b;
	size_t len;

	begin(&b, codec, codec->level);
	make_page(b.page, TEXT, 1);
	len = pack(&b, ROOM, &packed);
	for (size_t bit = 0; bit < len * 8; bit++) {
		packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
		(void)unpack(&b, packed, len);
		packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	for (int i = 0; i < 2000; i++) {
		size_t n = 1 + test_below(&rng, PAGE);

		make_noise(noise + PAGE - n, n, test_random(&rng));
		(void)unpack(&b, noise + PAGE - n, n);
	}
	CHECK_EQ(unpack(&b, packed, len), 0);
	CHECK_MEM(b.back, b.page, PAGE);
}

/* Two packed pages are none, and neither is a page with something after it. */
static void test_more(const struct codec *codec)
{
	unsigned char two[2 * PAGE], *packed;
	struct bench b;
	size_t len;

	begin(&b, codec, codec->level);
	make_page(b.page, TEXT, 1);
	len = pack(&b, ROOM, &packed);
	memcpy(two, packed, len);
	memcpy(two + len, packed, len);
	CHECK_EQ(unpack(&b, two, 2 * len), -EIO);
	CHECK_EQ(unpack(&b, two, len + 1), -EIO);
}

/* ---- Workspaces ---- */

/* A child of fork(2) has none of the threads that claimed one. */
static void test_forked(void)
{
	struct workspaces w = { 0 };
	struct workspace *space;
	int status;
	pid_t pid;

	CHECK_EQ(workspaces_init(&w, 3, PAGE), 0);
	for (int i = 0; i < 3; i++) {
		space = workspace_claim(&w);
		CHECK(!space->is_ready);
		space->is_ready = true;
	}
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		alarm(60);
		_exit(workspace_claim(&w)->is_ready ? 1 : 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	workspace_release(space);
	CHECK(workspace_claim(&w) == space);
	CHECK(space->is_ready);
	workspaces_fini(&w);
}

static void test_codec(const struct codec *codec)
{
	if (!codec->packer_len)
		return;
	test_round_trips(codec, codec->least);
	test_round_trips(codec, -1);
	for (int level = 1; level <= codec->most; level++)
		test_round_trips(codec, level);
	test_room(codec);
	test_cut(codec);
	test_corrupt(codec);
	test_more(codec);
}

int main(void)
{
	test_forked();
	test_codec(&codec_lz4);
	test_codec(&codec_zstd);
	return 0;
}
