// SPDX-License-Identifier: MIT
/*
 * Random operations on the fake page table: with and without MOVE, with and
 * without refusals and failing devices, on one thread and on two.
 *
 * UHMM_TEST_SEED replays, UHMM_TEST_TRACE tells each step.
 */
#include <pthread.h>

#include "mm/fake_int.h"
#include "model.h"

#define NPAGES (5 * MM_BLOCK_PAGES + 100)

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

/* ---- Runs --------------------------------------------------------------- */

struct variant {
	const char *off;
	unsigned flags;
	unsigned refuse; /* one call in so many */
	unsigned fail;
	unsigned mode;
};

static struct world open_space(struct space *s, const struct variant *v)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = v->off,
				      .flags = v->flags,
				      .fault_mode = v->mode };
	struct world w = world_open(&params);

	world_hold(&w);
	*s = (struct space){
		.u = w.u,
		.kind = { STORE_PLAIN, STORE_RICH, STORE_FAST },
		.room = { 300, 800, 2000 },
		.one_in = v->fail,
		.is_exact = !v->fail && !v->refuse,
		.hole_is_error = true,
		.at = at,
		.map = map,
		.unmap = unmap,
		.discard = discard,
		.remap = remap,
		.protect = protect,
		.read = cpu_read,
		.write = cpu_write,
		.peek = peek,
		.is_poisoned = is_poisoned,
		.priv = w.mm,
	};
	for (unsigned i = 0; i < NR_DEVICES; i++)
		space_add_device(s, i);
	return w;
}

static void close_space(struct space *s, struct world *w)
{
	int err = uhmm_close(w->u);

	CHECK(!err || (err == -EIO && s->one_in));
	for (unsigned i = 0; i < NR_DEVICES; i++)
		if (s->dev[i])
			CHECK(s->store[i].is_released);
	s->u = NULL;
}

static void run_alone(const struct variant *v, uint64_t seed, uint64_t steps)
{
	struct space s;
	struct world w = open_space(&s, v);
	struct model m;

	fake_set_refusals(w.mm, v->refuse, seed);
	model_init(&m, &s, 0, NPAGES, seed, true);
	while (m.steps < steps) {
		model_step(&m);
		if (m.steps % 16 == 0)
			world_check(&w);
	}
	model_check(&m);
	world_check(&w);
	close_space(&s, &w);
	model_check_closed(&m);
	world_let_go(&w);
	model_fini(&m);
}

static void *thread_main(void *arg)
{
	struct model *m = arg;
	uint64_t steps = test_is_soak() ? 20000 : 200;

	while (m->steps < steps)
		model_step(m);
	return NULL;
}

/* The border between the two lies within a block. */
static void run_two(const struct variant *v, uint64_t seed)
{
	struct space s;
	struct world w = open_space(&s, v);
	struct model m[2];
	pthread_t t[2];

	fake_set_refusals(w.mm, v->refuse, seed);
	model_init(&m[0], &s, 0, NPAGES / 2, seed, false);
	model_init(&m[1], &s, NPAGES / 2, NPAGES - NPAGES / 2, seed + 1, false);
	CHECK_EQ(uhmm_set_ram_limit(w.u, NPAGES / 3 * PAGE), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread_main, &m[i]), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(uhmm_set_ram_limit(w.u, 0), 0);
	close_space(&s, &w);
	for (int i = 0; i < 2; i++) {
		model_check_closed(&m[i]);
		model_fini(&m[i]);
	}
	world_let_go(&w);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ NULL, 0, 0, 0, 0 },
		{ "move", 0, 0, 0, 0 },
		{ NULL, UHMM_OPEN_NO_DMA, 0, 0, 0 },
		{ NULL, 0, 50, 0, 0 },
		{ "move", 0, 50, 0, 0 },
		{ NULL, 0, 0, 20, 0 },
		{ "move", 0, 30, 20, 0 },
		{ NULL, UHMM_OPEN_NO_RECYCLE, 10, 10, 0 },
	};
	uint64_t seed = test_seed(), rounds = test_is_soak() ? 400 : 1;
	unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	unsigned last = argc > 1 ? first + 1 : 8;
	bool two = argc < 3 || *argv[2] == '2';

	for (uint64_t k = 0; k < rounds; k++)
		for (unsigned i = first; i < last; i++) {
			if (argc < 3 || !two)
				run_alone(&variants[i], seed + k, 500);
			if (two)
				run_two(&variants[i], seed + k);
		}
	return 0;
}
