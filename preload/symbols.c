// SPDX-License-Identifier: MIT
/*
 * Makes libc's own table of symbols lead to our functions.
 *
 * A library that is loaded with RTLD_DEEPBIND finds the C library before it
 * finds ours, and so does dlsym(3) with the C library's handle.  Such a library
 * would free blocks of another allocator, and change mappings and handlers
 * unseen.  So before any such library is loaded, the table's entry of each
 * function that we export gets the address of ours.
 *
 * Our functions call the ones behind them.  If the next one belongs to another
 * library, that library may in turn look up libc's function and would find
 * ours.  So that entry stays as it is.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "preload.h"
#include "real.h"

#define HIDDEN	    0x8000 /* not the default version of a symbol */
#define MAX_CHANGES 1024
#define MAX_BETWEEN 512

struct table {
	uintptr_t base;
	ElfW(Sym) * symbols;
	const char *strings;
	const ElfW(Half) * versions;
	const uint32_t *hash;
};

/* ---- Finding ------------------------------------------------------------ */

/* glibc has relocated these pointers, except in the vdso. */
static void read_dynamic(const ElfW(Dyn) * d, struct table *t)
{
	for (; d->d_tag != DT_NULL; d++) {
		const void *p = (const void *)d->d_un.d_ptr;

		if (d->d_tag == DT_SYMTAB)
			t->symbols = (ElfW(Sym) *)p;
		else if (d->d_tag == DT_STRTAB)
			t->strings = p;
		else if (d->d_tag == DT_VERSYM)
			t->versions = p;
		else if (d->d_tag == DT_GNU_HASH)
			t->hash = p;
	}
}

static bool find_table(const void *code, struct table *ret)
{
	struct link_map *map;
	Dl_info info;

	if (!code || !dladdr1(code, &info, (void **)&map, RTLD_DL_LINKMAP))
		return false;
	*ret = (struct table){ .base = map->l_addr };
	read_dynamic(map->l_ld, ret);
	return ret->symbols && ret->strings && ret->hash;
}

/* The chains of a GNU hash table: buckets, then a word for each symbol. */
struct chains {
	uint32_t nr_buckets, first;
	const uint32_t *buckets, *words;
};

static struct chains chains_of(const struct table *t)
{
	const size_t word = sizeof(ElfW(Addr)) / sizeof(uint32_t);
	struct chains c = { .nr_buckets = t->hash[0], .first = t->hash[1] };

	c.buckets = t->hash + 4 + t->hash[2] * word;
	c.words = c.buckets + c.nr_buckets;
	return c;
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h;
}

static bool is_default(const struct table *t, uint32_t i)
{
	return !t->versions || !(t->versions[i] & HIDDEN);
}

/* NULL: there is no such function, or libc chooses it at run time. */
static ElfW(Sym) * find_symbol(const struct table *t, const char *name)
{
	struct chains c = chains_of(t);
	uint32_t hash = hash_of(name);
	uint32_t i = c.nr_buckets ? c.buckets[hash % c.nr_buckets] : 0;

	for (; i >= c.first && i; i++) {
		uint32_t w = c.words[i - c.first];
		ElfW(Sym) *s = &t->symbols[i];

		if ((w | 1) == (hash | 1) && is_default(t, i) &&
		    ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
		    !strcmp(t->strings + s->st_name, name))
			return s;
		if (w & 1)
			break;
	}
	return NULL;
}

/* ---- Replacing ---------------------------------------------------------- */

/*
 * Does another library's function of that name stand between ours and libc's?
 */
static bool is_between(const struct table *libc, const struct real *r)
{
	const ElfW(Sym) *s = find_symbol(libc, r->name);

	return s && (uintptr_t)atomic_load(&r->fn) != libc->base + s->st_value;
}

struct names {
	const char *list[MAX_BETWEEN];
	size_t nr;
};

static void find_between(const struct table *libc, struct names *ret)
{
	ret->nr = 0;
	for (struct real *r = real_begin; r < real_end; r++)
		if (is_between(libc, r) && ret->nr < MAX_BETWEEN)
			ret->list[ret->nr++] = r->name;
}

static bool has_name(const struct names *n, const char *name)
{
	for (size_t i = 0; i < n->nr; i++)
		if (!strcmp(n->list[i], name))
			return true;
	return false;
}

static bool is_exported(const ElfW(Sym) * s)
{
	return s->st_shndx != SHN_UNDEF && s->st_value &&
	       ELF64_ST_BIND(s->st_info) != STB_LOCAL &&
	       ELF64_ST_TYPE(s->st_info) == STT_FUNC;
}

/* Set the value of @theirs to @ours. */
struct change {
	ElfW(Sym) * theirs;
	uintptr_t ours;
};

struct changes {
	struct change list[MAX_CHANGES];
	size_t nr;
	struct range span;
};

static void add_change(struct changes *all, ElfW(Sym) * theirs, uintptr_t ours)
{
	uintptr_t start = page_down((uintptr_t)theirs);
	uintptr_t end = page_up((uintptr_t)(theirs + 1));

	if (all->nr == MAX_CHANGES)
		return;
	all->list[all->nr++] = (struct change){ theirs, ours };
	if (!all->span.end || start < all->span.start)
		all->span.start = start;
	if (end > all->span.end)
		all->span.end = end;
}

static void collect(const struct table *own, const struct table *libc,
		    struct changes *ret)
{
	struct chains c = chains_of(own);
	struct names between;

	find_between(libc, &between);
	for (uint32_t b = 0; b < c.nr_buckets; b++) {
		uint32_t i = c.buckets[b];

		for (; i >= c.first && i; i++) {
			const ElfW(Sym) *s = &own->symbols[i];
			const char *name = own->strings + s->st_name;
			ElfW(Sym) *t =
				is_exported(s) ? find_symbol(libc, name) : NULL;

			if (t && !has_name(&between, name))
				add_change(ret, t, own->base + s->st_value);
			if (c.words[i - c.first] & 1)
				break;
		}
	}
}

static bool protect(struct range r, int prot)
{
	return r.start < r.end &&
	       !syscall(SYS_mprotect, r.start, r.end - r.start, prot);
}

static void apply(const struct table *libc, const struct changes *all)
{
	if (!protect(all->span, PROT_READ | PROT_WRITE))
		return;
	for (size_t i = 0; i < all->nr; i++)
		all->list[i].theirs->st_value = all->list[i].ours - libc->base;
	protect(all->span, PROT_READ);
}

void symbols_init(void)
{
	struct table libc, own;
	struct changes *all;

	if (!find_table(dlsym(RTLD_NEXT, "gnu_get_libc_version"), &libc) ||
	    !find_table((void *)(uintptr_t)symbols_init, &own))
		return;
	all = own_alloc(sizeof(*all));
	if (!all)
		return;
	collect(&own, &libc, all);
	apply(&libc, all);
	sys_munmap(all, sizeof(*all));
}
