// SPDX-License-Identifier: MIT
/*
 * forms.c - the forms in which a page is kept, and their moves by the store;
 * see zram.c.
 */
#include <errno.h>
#include <string.h>

#include "forms.h"

#define WORDS_IN_PAGE (uhmm_page_size() / sizeof(uint64_t))

enum kind {
	EMPTY,
	FILL,
	PACKED,
	RAW,
	PACKED_WITH, /* with the dictionary */
};

#define KIND_MASK UINT64_C(7)
#define HELD	  UINT64_C(8) /* the store moves the object */
#define ADDRESS	  (~UINT64_C(15))

/* Does the page repeat one word?  *@ret_word is that word. */
static bool is_fill(const void *page, uint64_t *ret_word)
{
	const uint64_t *w = page;

	if (w[0] != w[WORDS_IN_PAGE - 1])
		return false;
	for (size_t i = 1; i < WORDS_IN_PAGE; i++) {
		if (w[i] != w[0])
			return false;
	}
	*ret_word = w[0];
	return true;
}

static void fill(void *page, uint64_t word)
{
	uint64_t *w = page;

	for (size_t i = 0; i < WORDS_IN_PAGE; i++)
		w[i] = word;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Count a form: @sign is 1 for a new page, -1 for one that goes. */
static void count(struct zram *z, enum kind kind, uint64_t value, int64_t sign)
{
	uint64_t one = (uint64_t)sign;

	add(&z->used, one);
	if (kind != FILL) {
		add(&z->compressed, one * value);
		if (kind == RAW)
			add(&z->huge, one);
		return;
	}
	add(&z->same, one);
	if (!value)
		add(&z->zero, one);
}

static enum kind kind_of(uint64_t ref)
{
	return (enum kind)(ref & KIND_MASK);
}

static void *object_of(uint64_t ref)
{
	return (void *)(uintptr_t)(ref & ADDRESS);
}

void form_drop(struct zram *z, uint64_t dpfn)
{
	struct entry *e = &z->entries[dpfn];
	uint64_t ref = atomic_exchange(&e->ref, EMPTY);

	if (kind_of(ref) == EMPTY)
		return;
	count(z, kind_of(ref), e->value, -1);
	if (kind_of(ref) != FILL && !(ref & HELD))
		store_free(&z->store, object_of(ref));
}

static void set_entry(struct zram *z, uint64_t dpfn, enum kind kind,
		      void *object, uint64_t value)
{
	struct entry *e = &z->entries[dpfn];

	form_drop(z, dpfn);
	e->value = value;
	atomic_store(&e->ref, (uintptr_t)object | kind);
	count(z, kind, value, 1);
}

/* Pack into @space.  Return: bytes; 0: the page does not get short enough. */
static size_t pack(struct zram *z, struct workspace *space, const char *page,
		   enum kind *ret_kind)
{
	const void *dictionary = dictionary_of(&z->dictionary);
	void *packer = form_packer(space);

	*ret_kind = dictionary ? PACKED_WITH : PACKED;
	if (!dictionary)
		return z->codec->pack(packer, page, space->bytes, PACKED_MAX);
	return z->codec->pack_with(packer, dictionary, page, space->bytes,
				   PACKED_MAX);
}

int form_store(struct zram *z, struct workspace *space, uint64_t dpfn,
	       const char *page)
{
	const char *from = space->bytes;
	enum kind kind;
	uint64_t word;
	void *object;
	size_t len;

	if (is_fill(page, &word)) {
		set_entry(z, dpfn, FILL, NULL, word);
		return 0;
	}
	len = pack(z, space, page, &kind);
	if (!len) {
		kind = RAW;
		from = page;
		len = uhmm_page_size();
	}
	object = store_alloc(&z->store, len, (uint32_t)dpfn);
	if (!object)
		return -ENOSPC;
	memcpy(object, from, len);
	set_entry(z, dpfn, kind, object, len);
	if (kind == PACKED)
		dictionary_offer(&z->dictionary, page, form_packer(space),
				 space->bytes);
	return 0;
}

void form_store_zeroes(struct zram *z, uint64_t dpfn)
{
	set_entry(z, dpfn, FILL, NULL, 0);
}

/* Announce the read: the object stays where it is meanwhile. */
static uint64_t ref_for_reading(const struct entry *e,
				_Atomic uintptr_t *reading)
{
	uint64_t ref = atomic_load(&e->ref), seen;

	do {
		seen = ref;
		if (!(ref & ADDRESS))
			break;
		store_read(reading, object_of(ref));
		ref = atomic_load(&e->ref);
	} while (ref != seen);
	return ref;
}

int form_load(const struct zram *z, uint64_t dpfn, const struct zram_reader *r,
	      char *page)
{
	const struct entry *e = &z->entries[dpfn];
	uint64_t ref = ref_for_reading(e, r->reading);

	switch (kind_of(ref)) {
	case FILL:
		fill(page, e->value);
		return 0;
	case PACKED:
		return z->codec->unpack(r->unpacker, object_of(ref), e->value,
					page);
	case PACKED_WITH:
		return z->codec->unpack_with(r->unpacker,
					     dictionary_of(&z->dictionary),
					     object_of(ref), e->value, page);
	case RAW:
		memcpy(page, object_of(ref), uhmm_page_size());
		return 0;
	default:
		return -EIO;
	}
}

/* ---- Objects that the store moves ---- */

bool form_hold(void *arg, uint32_t owner, void *object)
{
	struct zram *z = arg;
	_Atomic uint64_t *at = &z->entries[owner].ref;
	uint64_t ref = atomic_load(at);

	return ref & ADDRESS && object_of(ref) == object &&
	       atomic_compare_exchange_strong(at, &ref, ref | HELD);
}

bool form_moved(void *arg, uint32_t owner, void *object, void *to)
{
	struct zram *z = arg;
	_Atomic uint64_t *at = &z->entries[owner].ref;
	uint64_t ref = atomic_load(at);

	return ref & HELD && object_of(ref) == object &&
	       atomic_compare_exchange_strong(
		       at, &ref, (uintptr_t)to | (ref & KIND_MASK));
}
