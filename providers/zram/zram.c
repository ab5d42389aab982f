// SPDX-License-Identifier: MIT
/*
 * zram.c - compressed RAM: pages packed with lz4.
 *
 *	zram:SIZE[,level=-65537..-1|1..9][,limit=SIZE]
 *
 * SIZE is the capacity that the device reports.  The memory that it takes
 * depends on the data; stored() tells how much it is.
 *
 * A page is kept in the cheapest form:
 *	FILL	one 8-byte word over and over (mostly zeroes): no data at all
 *	LZ4	compressed, if that takes at most 7/8 of a page
 *	RAW	unchanged
 *
 * No lock is taken here: the core never uses a device page for two things at
 * once, except for reading it twice.  But the store uses a page when it moves
 * an object.  So an entry names its object by one word that changes atomically.
 * A bit of that word says that the store holds the object.  If the entry is
 * dropped meanwhile the store frees the object.
 *
 * copy_to_ram() reads the page's entry and object only, and page_free() never
 * waits (see store.h): both are safe in a signal handler.  Compressing needs
 * scratch memory.  A call of copy_to_devmem() claims some from a fixed number,
 * and may wait for it.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <lz4.h>
#include <lz4hc.h>

#include <uhmm/provider.h>

#include "../pages.h"
#include "../touched.h"
#include "forms.h"
#include "store.h"

#define RATIO_MAX  64 /* SIZE / the machine's RAM, at most */
#define NR_SCRATCH 64
#define BEST	   9	 /* higher levels allocate memory */
#define FASTEST	   65537 /* as a negative level */

/* ---- Callbacks ---- */

static void drop_all(struct zram *z, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--) {
		for (size_t i = 0; i < seg->npages; i++)
			form_drop(z, seg->dpfn + i);
	}
}

static size_t scratch_len(const struct zram *z)
{
	int state = z->level >= LZ4HC_CLEVEL_MIN ? LZ4_sizeofStateHC() :
						   LZ4_sizeofState();

	return (sizeof(struct scratch) + uhmm_page_size() + (size_t)state +
		63) &
	       ~(size_t)63;
}

static struct scratch *claim_scratch(struct zram *z)
{
	size_t len = scratch_len(z);

	for (size_t i = 0;; i = (i + 1) % NR_SCRATCH) {
		struct scratch *scratch = (void *)(z->scratch + i * len);

		if (!atomic_load_explicit(&scratch->is_claimed,
					  memory_order_relaxed) &&
		    !atomic_exchange_explicit(&scratch->is_claimed, true,
					      memory_order_acquire)) {
			touched_add(&z->nr_scratch, i, 1);
			return scratch;
		}
		if (i == NR_SCRATCH - 1)
			sched_yield();
	}
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct zram *z = priv;
	struct scratch *scratch = claim_scratch(z);
	int err = 0;

	for (size_t s = 0; !err && s < nr; s++) {
		const char *page = seg[s].ram;

		touched_add(&z->touched, seg[s].dpfn, seg[s].npages);
		for (size_t i = 0; !err && i < seg[s].npages; i++)
			err = form_store(z, scratch, seg[s].dpfn + i,
					 page + i * uhmm_page_size());
	}
	atomic_store_explicit(&scratch->is_claimed, false,
			      memory_order_release);
	if (err)
		drop_all(z, seg, nr);
	return err;
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct zram *z = priv;
	_Atomic uintptr_t *reading = store_read_begin(&z->store);
	int err = 0;

	for (; !err && nr; seg++, nr--) {
		char *page = seg->ram;

		for (size_t i = 0; !err && i < seg->npages; i++)
			err = form_load(&z->entries[seg->dpfn + i], reading,
					page + i * uhmm_page_size());
	}
	store_read_end(&z->store, reading);
	return err;
}

static int clear(void *priv, uint64_t dpfn, size_t npages)
{
	struct zram *z = priv;

	touched_add(&z->touched, dpfn, npages);
	for (; npages; dpfn++, npages--)
		form_store_zeroes(z, dpfn);
	return 0;
}

static void page_free(void *priv, uint64_t dpfn, size_t npages)
{
	for (; npages; dpfn++, npages--)
		form_drop(priv, dpfn);
}

/* Bytes of objects, and of the entries of pages held now. */
static uint64_t stored(void *priv)
{
	struct zram *z = priv;

	return store_bytes(&z->store) +
	       atomic_load_explicit(&z->used, memory_order_relaxed) *
		       sizeof(struct entry);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static int usage(void *priv, struct uhmm_device_usage *ret)
{
	struct zram *z = priv;

	ret->ram =
		store_ram(&z->store) + sizeof(*z) +
		touched_bytes(&z->touched, sizeof(struct entry),
			      uhmm_page_size()) +
		touched_bytes(&z->nr_scratch, scratch_len(z), uhmm_page_size());
	ret->data = bytes_of(load(&z->used));
	ret->compressed = load(&z->compressed);
	ret->same = load(&z->same);
	ret->zero = load(&z->zero);
	ret->huge = load(&z->huge);
	return 0;
}

static size_t entries_len(const struct zram *z)
{
	return z->npages * sizeof(struct entry);
}

static void release(void *priv)
{
	struct zram *z = priv;

	store_fini(&z->store);
	if (z->entries)
		uhmm_provider_free(z->entries, entries_len(z));
	if (z->scratch)
		uhmm_provider_free(z->scratch, NR_SCRATCH * scratch_len(z));
	uhmm_provider_free(z, sizeof(*z));
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy_to_devmem,
	.copy_to_ram = copy_to_ram,
	.clear = clear,
	.page_free = page_free,
	.stored = stored,
	.usage = usage,
	.release = release,
};

/* ---- Opening ---- */

/* As lz4(1): below 0 faster, above 2 smaller; 0 is no level. */
static int parse_level(const char *s, int *ret_level)
{
	bool below = *s == '-';
	int level = 0, max = below ? FASTEST : BEST;

	for (s += below; *s >= '0' && *s <= '9' && level <= max; s++)
		level = level * 10 + *s - '0';
	if (*s || !level || level > max) {
		uhmm_provider_fail(-EINVAL, "levels are %d to %d, without 0",
				   -FASTEST, BEST);
		return -EINVAL;
	}
	*ret_level = below ? -level : level;
	if (*ret_level > 0 && *ret_level < LZ4HC_CLEVEL_MIN)
		*ret_level = -1; /* the same level */
	return 0;
}

static int parse_options(const char *const *values, int *ret_level,
			 uint64_t *ret_limit)
{
	int err = parse_level(values[0], ret_level);

	return err ? err : uhmm_parse_size(values[1], ret_limit);
}

static int make(uint64_t npages, int level, uint64_t limit, struct zram **ret_z)
{
	struct zram *z = uhmm_provider_alloc(sizeof(*z));
	const struct store_user user = { form_hold, form_moved, z };

	if (!z)
		return -ENOMEM;
	z->npages = npages;
	z->level = level;
	z->entries = uhmm_provider_alloc(entries_len(z));
	z->scratch = uhmm_provider_alloc(NR_SCRATCH * scratch_len(z));
	if (!z->entries || !z->scratch ||
	    store_init(&z->store, &user, bytes_of(npages), limit)) {
		release(z);
		return -ENOMEM;
	}
	*ret_z = z;
	return 0;
}

static int zram_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	uint64_t ram_pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
	uint64_t ram = bytes_of(ram_pages);
	uint64_t limit;
	struct zram *z;
	int level, err;

	err = parse_options(values, &level, &limit);
	if (err || !desc->npages)
		return -EINVAL;
	if (uhmm_page_size() > STORE_MAX)
		return -EOPNOTSUPP;
	if (desc->npages / RATIO_MAX >= ram_pages ||
	    desc->npages > STORE_OWNERS)
		return -ENOMEM;
	if (!limit || limit > ram)
		limit = ram;
	err = make(desc->npages, level, limit, &z);
	if (err)
		return err;
	desc->flags = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_FORKS;
	desc->ops = &ops;
	*ret_priv = z;
	return 0;
}

static const struct uhmm_option options[] = {
	{ "level", "1", "3 to 9 compress better, below 0 faster" },
	{ "limit", "0", "most memory that the pages may take; 0: all of it" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_zram = {
	.size = sizeof(provider_zram),
	.abi = UHMM_PROVIDER_ABI,
	.name = "zram",
	.summary = "RAM, compressed with lz4",
	.options = options,
	.open = zram_open,
};
