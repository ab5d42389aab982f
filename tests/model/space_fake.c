// SPDX-License-Identifier: MIT
/* space_fake.c - the model's address space on the fake page table. */
#include "mm/fake/fake_int.h"
#include "model.h"

static void *at(struct space *s, size_t page)
{
	(void)s;
	return world_at(page);
}

static uintptr_t va(size_t page)
{
	return (uintptr_t)world_at(page);
}

static struct mm *mm_of(struct space *s)
{
	return s->priv;
}

static void map(struct space *s, size_t page, size_t n)
{
	CHECK_EQ(fake_map(mm_of(s), va(page), va(page + n), MM_ANON), 0);
}

static void unmap(struct space *s, size_t page, size_t n)
{
	fake_munmap(mm_of(s), va(page), va(page + n));
}

static void discard(struct space *s, size_t page, size_t n)
{
	fake_discard(mm_of(s), va(page), va(page + n));
}

static void remap(struct space *s, size_t from, size_t to, size_t n)
{
	CHECK_EQ(fake_mremap(mm_of(s), va(from), va(to), n * PAGE), 0);
}

static void map_over(struct space *s, size_t page, size_t n)
{
	unmap(s, page, n);
	map(s, page, n);
}

static void remap_onto(struct space *s, size_t from, size_t to, size_t n)
{
	unmap(s, to, n);
	remap(s, from, to, n);
}

static void protect(struct space *s, size_t page, size_t n, bool readonly)
{
	fake_mark(mm_of(s), va(page), va(page + n), FAKE_READONLY, readonly);
}

static int cpu_read(struct space *s, size_t page, size_t off, void *buf,
		    size_t len)
{
	return fake_cpu_read(mm_of(s), va(page) + off, buf, len);
}

static int cpu_write(struct space *s, size_t page, size_t off, const void *buf,
		     size_t len)
{
	return fake_cpu_write(mm_of(s), va(page) + off, buf, len);
}

static const unsigned char *peek_away(struct space *s, size_t page)
{
	struct block *b = block_find(s->u, va(page));
	uint64_t w = b ? block_word(b, page % MM_BLOCK_PAGES) : 0;
	struct store *store;

	switch (page_state(w)) {
	case P_DEVICE:
		store = s->u->devices[page_dev(w)]->priv;
		CHECK(store->full[page_dpfn(w)]);
		return store->data + page_dpfn(w) * PAGE;
	case P_FROZEN:
		return (unsigned char *)block_slot_va(s->u, b) +
		       page % MM_BLOCK_PAGES * PAGE;
	default:
		return NULL;
	}
}

static const unsigned char *peek(struct space *s, size_t page)
{
	switch (fake_state(mm_of(s), va(page))) {
	case FAKE_PRESENT:
	case FAKE_PROTECTED:
		return fake_bytes(fake_of(mm_of(s)), va(page));
	case FAKE_PLACED:
		return fake_file_bytes(
			&fake_of(mm_of(s))->pages[fake_index(va(page))],
			va(page));
	default:
		return s->u ? peek_away(s, page) : NULL;
	}
}

static bool is_poisoned(struct space *s, size_t page)
{
	struct block *b = s->u ? block_find(s->u, va(page)) : NULL;
	uint64_t w = b ? block_word(b, page % MM_BLOCK_PAGES) : 0;

	return page_state(w) == P_POISONED ||
	       fake_state(mm_of(s), va(page)) == FAKE_POISONED;
}

/* ---- Open and close ---- */

static void let_go(struct space *s)
{
	struct world *w = s->priv2;

	world_let_go(w);
	free(w);
}

int space_open_fake(struct space *s, const struct space_how *how)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = how->off,
				      .flags = how->flags,
				      .fault_mode = how->mode };
	struct world *w = calloc(1, sizeof(*w));
	int err;

	CHECK(w != NULL);
	err = core_open(&params, mm_fake_open, &w->u);
	if (err) {
		free(w);
		return err;
	}
	uhmm_set_log(w->u, world_log, NULL);
	w->mm = w->u->mm;
	world_hold(w);
	*s = (struct space){
		.u = w->u,
		.kind = { STORE_PLAIN, STORE_RICH, STORE_FAST, STORE_COHERENT },
		.room = { 300, 800, 2000, 900, 600 },
		.one_in = how->fail,
		.is_lossy = how->lose,
		.is_unlimited = how->unlimited,
		.is_exact = !how->fail && !how->refuse,
		.hole_is_error = true,
		.at = at,
		.map = map,
		.unmap = unmap,
		.discard = discard,
		.remap = remap,
		.map_over = map_over,
		.remap_onto = remap_onto,
		.protect = protect,
		.read = cpu_read,
		.write = cpu_write,
		.peek = peek,
		.is_poisoned = is_poisoned,
		.let_go = let_go,
		.priv = w->mm,
		.priv2 = w,
	};
	fake_set_node(w->mm, NODE, SIZE_MAX / 2);
	fake_set_refusals(w->mm, how->refuse, how->seed);
	return 0;
}
