// SPDX-License-Identifier: MIT
/*
 * zram.c - compressed RAM: pages packed by a codec (codec.h).
 *
 *	zram:SIZE[,algo=lz4|zstd][,level=N][,limit=SIZE][,dictionary=auto|no]
 *
 * SIZE is the capacity that the device reports.  The memory that it takes
 * depends on the data; stored() tells how much it is.
 *
 * A page is kept in the cheapest form:
 *	FILL	one 8-byte word over and over (mostly zeroes): no data at all
 *	PACKED	compressed, if that takes at most 7/8 of a page; with a
 *		dictionary where that pays (dictionary.c)
 *	RAW	unchanged
 *
 * No lock protects an entry: the core never uses a device page for two things
 * at once, except for reading it twice.  But the store uses a page when it
 * moves an object.  So an entry names its object by one word that changes
 * atomically.  A bit of that word says that the store holds the object.  If the
 * entry is dropped meanwhile the store frees the object.
 *
 * copy_to_ram() reads the page's entry and object only, and page_free() never
 * waits (see store.h): both are safe in a signal handler.  A codec works in a
 * workspace, of which there are a fixed number.  A call of copy_to_devmem()
 * claims one, and may wait for it.  So does copy_to_ram() where the codec has
 * unpackers; there are as many as the store has places for readers.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <uhmm/provider.h>

#include "../options.h"
#include "../pages.h"
#include "../touched.h"
#include "codec.h"
#include "forms.h"
#include "store.h"
#include "workspace.h"

#define RATIO_MAX  64 /* SIZE / the machine's RAM, at most */
#define NR_PACKERS 64

/* ---- Callbacks ---- */

static void drop_all(struct zram *z, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--) {
		for (size_t i = 0; i < seg->npages; i++)
			form_drop(z, seg->dpfn + i);
	}
}

static struct workspace *claim_packer(struct zram *z)
{
	struct workspace *space = workspace_claim(&z->packers);

	if (!space->is_ready)
		space->is_ready =
			!z->codec->packer_init(form_packer(space), z->level);
	return space;
}

/* Return: NULL where the codec needs none. */
static struct workspace *claim_unpacker(struct zram *z)
{
	struct workspace *space;

	if (!z->codec->unpacker_len)
		return NULL;
	space = workspace_claim(&z->unpackers);
	if (!space->is_ready)
		space->is_ready = !z->codec->unpacker_init(space->bytes);
	return space;
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct zram *z = priv;
	struct workspace *space = claim_packer(z);
	int err = 0;

	for (size_t s = 0; !err && s < nr; s++) {
		const char *page = seg[s].ram;

		touched_add(&z->touched, seg[s].dpfn, seg[s].npages);
		for (size_t i = 0; !err && i < seg[s].npages; i++)
			err = form_store(z, space, seg[s].dpfn + i,
					 page + i * uhmm_page_size());
	}
	workspace_release(space);
	if (err)
		drop_all(z, seg, nr);
	return err;
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct zram *z = priv;
	struct workspace *space = claim_unpacker(z);
	const struct zram_reader reader = {
		.reading = store_read_begin(&z->store),
		.unpacker = space ? space->bytes : NULL,
	};
	int err = 0;

	for (; !err && nr; seg++, nr--) {
		char *page = seg->ram;

		for (size_t i = 0; !err && i < seg->npages; i++)
			err = form_load(z, seg->dpfn + i, &reader,
					page + i * uhmm_page_size());
	}
	store_read_end(&z->store, reader.reading);
	if (space)
		workspace_release(space);
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

static uint64_t load_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static int usage(void *priv, struct uhmm_device_usage *ret)
{
	struct zram *z = priv;

	ret->ram = store_ram(&z->store) + sizeof(*z) +
		   touched_bytes(&z->touched, sizeof(struct entry),
				 uhmm_page_size()) +
		   workspaces_ram(&z->packers) + workspaces_ram(&z->unpackers) +
		   load_counter(&z->dictionary.ram);
	ret->data = bytes_of(load_counter(&z->used));
	ret->compressed = load_counter(&z->compressed);
	ret->same = load_counter(&z->same);
	ret->zero = load_counter(&z->zero);
	ret->huge = load_counter(&z->huge);
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
	workspaces_fini(&z->packers);
	workspaces_fini(&z->unpackers);
	dictionary_fini(&z->dictionary);
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

enum values {
	ALGO,
	LEVEL,
	LIMIT,
	DICTIONARY,
};

/*
 * @npages: of the device
 * @limit: bytes that the store may take
 * @dictionary: may be made
 */
struct choice {
	const struct codec *codec;
	int level;
	bool dictionary;
	uint64_t npages, limit;
};

static int parse_algo(const char *s, struct choice *c)
{
	static const struct codec *const codecs[] = { &codec_lz4, &codec_zstd };

	for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
		if (strcmp(codecs[i]->name, s) != 0)
			continue;
		if (!codecs[i]->packer_len)
			return uhmm_provider_fail(
				-EOPNOTSUPP,
				"algo=%s: this build of uhmm is without it; "
				"build with lib%s and -D%s=enabled",
				s, s, s);
		c->codec = codecs[i];
		return 0;
	}
	return uhmm_provider_fail(-EINVAL, "algo=%s: not lz4 or zstd", s);
}

static bool read_level(const char *s, const struct codec *codec, int *ret_level)
{
	bool below = *s == '-';
	int level = 0, max = below ? -codec->least : codec->most;

	for (s += below; *s >= '0' && *s <= '9' && level <= max; s++)
		level = level * 10 + *s - '0';
	*ret_level = below ? -level : level;
	return !*s && level && level <= max;
}

static int parse_level(const char *s, struct choice *c)
{
	c->level = c->codec->level;
	if (!strcmp(s, "default") || read_level(s, c->codec, &c->level))
		return 0;
	return uhmm_provider_fail(
		-EINVAL, "level=%s: levels of %s are %d to %d, without 0", s,
		c->codec->name, c->codec->least, c->codec->most);
}

static int parse_limit(const char *s, struct choice *c)
{
	uint64_t ram = bytes_of((uint64_t)sysconf(_SC_PHYS_PAGES));

	if (uhmm_parse_size(s, &c->limit))
		return uhmm_provider_fail(-EINVAL,
					  "limit=%s: not a size, as 512M", s);
	if (!c->limit || c->limit > ram)
		c->limit = ram;
	return 0;
}

static int parse_dictionary(const char *s, struct choice *c)
{
	c->dictionary = !strcmp(s, "auto");
	if (c->dictionary || !strcmp(s, "no"))
		return 0;
	return uhmm_provider_fail(-EINVAL, "dictionary=%s: write auto or no",
				  s);
}

static int make_workspaces(struct zram *z)
{
	const struct codec *codec = z->codec;
	int err =
		workspaces_init(&z->packers, NR_PACKERS,
				uhmm_page_size() + codec->packer_len(z->level));

	if (!err && codec->unpacker_len)
		err = workspaces_init(&z->unpackers, STORE_READERS,
				      codec->unpacker_len());
	return err;
}

/* One of each is made now: where that fails no page must come. */
static int try_workspaces(struct zram *z)
{
	struct workspace *packer = claim_packer(z);
	struct workspace *unpacker = claim_unpacker(z);
	bool fails = !packer->is_ready || (unpacker && !unpacker->is_ready);

	workspace_release(packer);
	if (unpacker)
		workspace_release(unpacker);
	return fails ? uhmm_provider_fail(-EOPNOTSUPP,
					  "algo=%s: its library has changed",
					  z->codec->name) :
		       0;
}

static int make_zram(const struct choice *c, struct zram **ret_z)
{
	struct zram *z = uhmm_provider_alloc(sizeof(*z));
	const struct store_user user = { form_hold, form_moved, z };
	int err;

	if (!z)
		return -ENOMEM;
	z->npages = c->npages;
	z->codec = c->codec;
	z->level = c->level;
	z->entries = uhmm_provider_alloc(entries_len(z));
	err = z->entries ? make_workspaces(z) : -ENOMEM;
	if (!err && c->dictionary)
		err = dictionary_init(&z->dictionary, c->codec, c->level);
	if (!err)
		err = store_init(&z->store, &user, bytes_of(c->npages),
				 c->limit);
	if (!err)
		err = try_workspaces(z);
	if (err) {
		release(z);
		return err;
	}
	*ret_z = z;
	return 0;
}

static int zram_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	uint64_t ram_pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
	struct choice c = { .npages = desc->npages };
	struct zram *z;
	int err;

	err = option_size(c.npages, "zram:64M");
	if (!err)
		err = parse_algo(values[ALGO], &c);
	if (!err)
		err = parse_level(values[LEVEL], &c);
	if (!err)
		err = parse_limit(values[LIMIT], &c);
	if (!err)
		err = parse_dictionary(values[DICTIONARY], &c);
	if (err)
		return err;
	if (uhmm_page_size() > STORE_MAX)
		return -EOPNOTSUPP;
	if (c.npages / RATIO_MAX >= ram_pages || c.npages > STORE_OWNERS)
		return -ENOMEM;
	err = make_zram(&c, &z);
	if (err)
		return err;
	desc->flags = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_FORKS;
	desc->ops = &ops;
	*ret_priv = z;
	return 0;
}

static const struct uhmm_option options[] = {
	{ "algo", "lz4", codecs_help },
	{ "level", "default", "higher ones compress better, and slower" },
	{ "limit", "0", "most memory that the pages may take; 0: all of it" },
	{ "dictionary", "auto",
	  "zstd: of what pages have in common: auto, if that pays, or no" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_zram = {
	.size = sizeof(provider_zram),
	.abi = UHMM_PROVIDER_ABI,
	.name = "zram",
	.summary = "RAM, compressed",
	.options = options,
	.open = zram_open,
};
