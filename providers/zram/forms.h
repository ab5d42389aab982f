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

/* Where one device page is. */
struct entry {
	_Atomic uint64_t ref; /* kind, and (LZ4, RAW) the object's address */
	uint64_t value;	      /* FILL: the word; else the object's length */
};

/* As long as scratch_len() says. */
struct scratch {
	_Alignas(64) _Atomic bool is_claimed;
	/* a page that was packed, and the state of lz4 */
	_Alignas(64) char out[];
};

struct zram {
	struct store store;
	struct entry *entries; /* by dpfn */
	uint64_t npages;
	int level;
	touched_pages touched; /* of the entries */
	_Atomic uint64_t used; /* entries that are not EMPTY */
	_Atomic uint64_t compressed, same, zero, huge; /* as usage() says */
	_Atomic uint64_t nr_scratch;		       /* ever claimed */
	unsigned char *scratch;			       /* NR_SCRATCH of them */
};

/* -ENOSPC */
int form_store(struct zram *z, struct scratch *scratch, uint64_t dpfn,
	       const char *page);
void form_store_zeroes(struct zram *z, uint64_t dpfn);
/* @reading: of store_read_begin().  -EIO: it holds no page. */
int form_load(const struct entry *e, _Atomic uintptr_t *reading, char *page);
void form_drop(struct zram *z, uint64_t dpfn);
/* The store moves an object: see store.h. */
bool form_hold(void *arg, uint32_t owner, void *object);
bool form_moved(void *arg, uint32_t owner, void *object, void *to);

#endif
