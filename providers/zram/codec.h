/* SPDX-License-Identifier: MIT */
/*
 * codec.h - algorithms that pack a page; one file each.
 *
 * A codec allocates nothing.  It works in memory of the caller, 64-byte
 * aligned: a *packer* to pack pages, an *unpacker* to unpack them.  One thread
 * at a time uses each, for any number of pages.  Packing and unpacking wait for
 * nothing, and unpacking is safe in a signal handler.
 */
#ifndef ZRAM_CODEC_H
#define ZRAM_CODEC_H

#include <stddef.h>

/*
 * @name: as an option names it
 * @least, @most: levels; 0 is none of them.  Higher ones pack better
 * @level: the level where none is asked for
 * @packer_len: bytes of a packer for @level; NULL: this build has not the codec
 * @packer_init: 0 or -EOPNOTSUPP, which depends on @level only
 * @pack: bytes written to @out; 0: the page does not fit into @room bytes
 * @unpacker_len: bytes; NULL: there are no unpackers, and unpack() ignores its
 *	first argument
 * @unpacker_init: as packer_init()
 * @unpack: make a page of @len bytes, whatever they are.  -EIO: no page was
 *	packed into them
 * @dictionary_len: bytes of what the codec makes of a dictionary of @len bytes;
 *	NULL: it has no dictionaries
 * @dictionary_init: make that; @content is read until the last use
 * @pack_with, @unpack_with: as pack() and unpack(), with a dictionary, which
 *	any number of threads may use
 */
struct codec {
	const char *name;
	int least, most, level;
	size_t (*packer_len)(int level);
	int (*packer_init)(void *packer, int level);
	size_t (*pack)(void *packer, const void *page, void *out, size_t room);
	size_t (*unpacker_len)(void);
	int (*unpacker_init)(void *unpacker);
	int (*unpack)(void *unpacker, const void *from, size_t len, void *page);
	size_t (*dictionary_len)(size_t len, int level);
	int (*dictionary_init)(void *dictionary, const void *content,
			       size_t len, int level);
	size_t (*pack_with)(void *packer, const void *dictionary,
			    const void *page, void *out, size_t room);
	int (*unpack_with)(void *unpacker, const void *dictionary,
			   const void *from, size_t len, void *page);
};

extern const struct codec codec_lz4, codec_zstd;

/* Which codecs this build has, for the user. */
extern const char codecs_help[];

#endif
