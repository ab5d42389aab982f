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
#include "store.h"

#define LZ4_MAX_LEN ((int)uhmm_page_size() * 7 / 8)

/* The place of one device page. */
struct entry {
	_Atomic uint64_t ref; /* kind; of LZ4, RAW: and the object */
	uint64_t value;	      /* FILL: the word; else the object's length */
};

/* One scratch takes scratch_len() bytes, @out included. */
struct scratch {
	_Alignas(64) _Atomic bool is_claimed;
	/* the packed page, and the state of lz4 */
	_Alignas(64) char out[];
};

struct zram {
	struct store store;
	struct entry *entries; /* indexed by dpfn */
	uint64_t npages;
	int level;
	touched_pages touched; /* number of entries */
	_Atomic uint64_t used; /* entries that are not EMPTY */
	_Atomic uint64_t compressed, same, zero, huge; /* for usage() */
	_Atomic uint64_t nr_scratch;		       /* number ever claimed */
	unsigned char *scratch;			       /* NR_SCRATCH of them */
};

/* -ENOSPC */
int form_store(struct zram *z, struct scratch *scratch, uint64_t dpfn,
	       const char *page);
void form_store_zeroes(struct zram *z, uint64_t dpfn);
/* @reading: from store_read_begin().  -EIO: the entry has no page. */
int form_load(const struct entry *e, _Atomic uintptr_t *reading, char *page);
void form_drop(struct zram *z, uint64_t dpfn);
/* store_user's callbacks: the store moves an object, see store.h. */
bool form_hold(void *arg, uint32_t owner, void *object);
bool form_moved(void *arg, uint32_t owner, void *object, void *to);

#endif
