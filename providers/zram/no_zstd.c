// SPDX-License-Identifier: MIT
/* no_zstd.c - in place of codec_zstd.c, where the build has no libzstd. */
#include "codec.h"

const struct codec codec_zstd = {
	.name = "zstd",
};

const char codecs_help[] = "lz4; zstd is not in this build";
