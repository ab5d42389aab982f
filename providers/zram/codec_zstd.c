// SPDX-License-Identifier: MIT
/*
 * codec_zstd.c - pages packed by zstd: smaller than lz4's, and slower.
 *
 * A packer is a static ZSTD_CCtx, an unpacker a static ZSTD_DCtx: zstd
 * allocates nothing for those, and fails where they are too small.  A packer is
 * made for one page at a time, so that it is small at every level.
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
};

const char codecs_help[] = "lz4, or zstd: smaller and slower";
