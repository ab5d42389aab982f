// SPDX-License-Identifier: MIT
/* codec_lz4.c - pages packed by lz4: fast, both ways. */
#include <errno.h>

#include <lz4.h>
#include <lz4hc.h>

#include <uhmm/provider.h>

#include "codec.h"

#define MOST 9 /* higher levels allocate memory */

struct packer {
	int level;
	_Alignas(64) char state[];
};

static size_t lz4_packer_len(int level)
{
	int state = level >= LZ4HC_CLEVEL_MIN ? LZ4_sizeofStateHC() :
						LZ4_sizeofState();

	return sizeof(struct packer) + (size_t)state;
}

static int lz4_packer_init(void *packer, int level)
{
	((struct packer *)packer)->level = level;
	return 0;
}

/* Levels below those of the slow compressor are the fast one's. */
static size_t lz4_pack(void *packer, const void *page, void *out, size_t room)
{
	struct packer *p = packer;
	int size = (int)uhmm_page_size(), len;

	if (p->level >= LZ4HC_CLEVEL_MIN)
		len = LZ4_compress_HC_extStateHC(p->state, page, out, size,
						 (int)room, p->level);
	else
		len = LZ4_compress_fast_extState(p->state, page, out, size,
						 (int)room, -p->level);
	return len > 0 ? (size_t)len : 0;
}

static int lz4_unpack(void *unpacker, const void *from, size_t len, void *page)
{
	int size = (int)uhmm_page_size();

	return LZ4_decompress_safe(from, page, (int)len, size) == size ? 0 :
									 -EIO;
}

const struct codec codec_lz4 = {
	.name = "lz4",
	.least = -65537,
	.most = MOST,
	.level = 1,
	.packer_len = lz4_packer_len,
	.packer_init = lz4_packer_init,
	.pack = lz4_pack,
	.unpack = lz4_unpack,
};
