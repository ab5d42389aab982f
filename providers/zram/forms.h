/* SPDX-License-Identifier: MIT */
/* forms.h - pages of a zram device, each in its cheapest form: forms.c */
#ifndef UHMM_ZRAM_FORMS_H
#define UHMM_ZRAM_FORMS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/provider.h>

#include "../touched.h"
#include "codec.h"
#include "dictionary.h"
#include "store.h"
#include "workspace.h"

/* Pages that do not get shorter than this are kept as they are. */
#define PACKED_MAX ((size_t)uhmm_page_size() * 7 / 8)

/* The place of one device page. */
struct entry {
	_Atomic uint64_t ref; /* kind; of PACKED, RAW: and the object */
	uint64_t value;	      /* FILL: the word; else the object's length */
};

struct zram {
	struct store store;
	struct entry *entries; /* indexed by dpfn */
	uint64_t npages;
	const struct codec *codec;
	int level;
	struct dictionary dictionary;
	touched_pages touched; /* number of entries */
	_Atomic uint64_t used; /* entries that are not EMPTY */
	_Atomic uint64_t compressed, same, zero, huge; /* for usage() */
	struct workspaces packers; /* a packed page, then the codec's packer */
	struct workspaces unpackers; /* none, where the codec has none */
};

/*
 * A call that reads pages.
 * @reading: from store_read_begin()
 * @unpacker: the codec's, or NULL
 */
struct zram_reader {
	_Atomic uintptr_t *reading;
	void *unpacker;
};

/* The codec's packer in a workspace of @packers. */
static inline void *form_packer(struct workspace *space)
{
	return space->bytes + uhmm_page_size();
}

/* @space: of @z->packers.  -ENOSPC */
int form_store(struct zram *z, struct workspace *space, uint64_t dpfn,
	       const char *page);
void form_store_zeroes(struct zram *z, uint64_t dpfn);
/* -EIO: there is no page. */
int form_load(const struct zram *z, uint64_t dpfn, const struct zram_reader *r,
	      char *page);
void form_drop(struct zram *z, uint64_t dpfn);
/* store_user's callbacks: the store moves an object, see store.h. */
bool form_hold(void *arg, uint32_t owner, void *object);
bool form_moved(void *arg, uint32_t owner, void *object, void *to);

#endif
