// SPDX-License-Identifier: MIT
/*
 * codec_zstd.c - pages packed by zstd: smaller than lz4's, and slower.
 *
 * A packer is a static ZSTD_CCtx, an unpacker a static ZSTD_DCtx: zstd
 * allocates nothing for those, and fails where they are too small.  A packer is
 * made for one page at a time, so that it is small at every level.
 *
 * A dictionary is a static ZSTD_CDict and a static ZSTD_DDict of raw content.
 * At high levels (12 in zstd 1.5) packers are too small to use one, and packing
 * with it fails.
 */
#include <errno.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <uhmm/provider.h>

#include "codec.h"

static size_t zstd_packer_len(int level)
{
	return ZSTD_estimateCCtxSize_usingCParams(
		ZSTD_getCParams(level, uhmm_page_size(), 0));
}

static int zstd_packer_init(void *packer, int level)
{
	ZSTD_CCtx *c = ZSTD_initStaticCCtx(packer, zstd_packer_len(level));

	if (c != packer || ZSTD_isError(ZSTD_CCtx_setParameter(
				   c, ZSTD_c_compressionLevel, level)))
		return -EOPNOTSUPP;
	return 0;
}

static size_t zstd_pack(void *packer, const void *page, void *out, size_t room)
{
	size_t len = ZSTD_compress2(packer, out, room, page, uhmm_page_size());

	return ZSTD_isError(len) ? 0 : len;
}

/*
 * Tables as for a page alone, which are small; the window reaches over page and
 * dictionary.
 */
static ZSTD_compressionParameters params_with(size_t len, int level)
{
	ZSTD_compressionParameters p =
		ZSTD_getCParams(level, uhmm_page_size(), 0);

	while ((size_t)1 << p.windowLog < len + uhmm_page_size())
		p.windowLog++;
	return p;
}

static size_t cdict_len(size_t len, int level)
{
	size_t n = ZSTD_estimateCDictSize_advanced(len, params_with(len, level),
						   ZSTD_dlm_byRef);

	return (n + 63) & ~(size_t)63;
}

static size_t ddict_len(size_t len)
{
	return ZSTD_estimateDDictSize(len, ZSTD_dlm_byRef);
}

/* Where the two objects of a dictionary are: in @bytes. */
struct dictionary_head {
	const ZSTD_CDict *c;
	const ZSTD_DDict *d;
	_Alignas(64) char bytes[];
};

static size_t zstd_dictionary_len(size_t len, int level)
{
	return sizeof(struct dictionary_head) + cdict_len(len, level) +
	       ddict_len(len);
}

static int zstd_dictionary_init(void *dictionary, const void *content,
				size_t len, int level)
{
	struct dictionary_head *h = dictionary;
	size_t n = cdict_len(len, level);

	h->c = ZSTD_initStaticCDict(h->bytes, n, content, len, ZSTD_dlm_byRef,
				    ZSTD_dct_rawContent,
				    params_with(len, level));
	h->d = ZSTD_initStaticDDict(h->bytes + n, ddict_len(len), content, len,
				    ZSTD_dlm_byRef, ZSTD_dct_rawContent);
	return h->c && h->d ? 0 : -EOPNOTSUPP;
}

static size_t zstd_pack_with(void *packer, const void *dictionary,
			     const void *page, void *out, size_t room)
{
	const struct dictionary_head *h = dictionary;
	size_t len = ZSTD_compress_usingCDict(packer, out, room, page,
					      uhmm_page_size(), h->c);

	return ZSTD_isError(len) ? 0 : len;
}

static int zstd_unpack_with(void *unpacker, const void *dictionary,
			    const void *from, size_t len, void *page)
{
	const struct dictionary_head *h = dictionary;
	size_t size = uhmm_page_size();

	return ZSTD_decompress_usingDDict(unpacker, page, size, from, len,
					  h->d) == size ?
		       0 :
		       -EIO;
}

static int zstd_unpacker_init(void *unpacker)
{
	size_t len = ZSTD_estimateDCtxSize();

	return ZSTD_initStaticDCtx(unpacker, len) == unpacker ? 0 : -EOPNOTSUPP;
}

static int zstd_unpack(void *unpacker, const void *from, size_t len, void *page)
{
	size_t size = uhmm_page_size();

	return ZSTD_decompressDCtx(unpacker, page, size, from, len) == size ?
		       0 :
		       -EIO;
}

const struct codec codec_zstd = {
	.name = "zstd",
	.least = -131072,
	.most = 22,
	.level = 3,
	.packer_len = zstd_packer_len,
	.packer_init = zstd_packer_init,
	.pack = zstd_pack,
	.unpacker_len = ZSTD_estimateDCtxSize,
	.unpacker_init = zstd_unpacker_init,
	.unpack = zstd_unpack,
	.dictionary_len = zstd_dictionary_len,
	.dictionary_init = zstd_dictionary_init,
	.pack_with = zstd_pack_with,
	.unpack_with = zstd_unpack_with,
};

const char codecs_help[] = "lz4, or zstd: smaller and slower";
