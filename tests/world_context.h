/* SPDX-License-Identifier: MIT */
/* world_context.h - a context on the fake page table, and what is in it. */
#ifndef UHMM_WORLD_CONTEXT_H
#define UHMM_WORLD_CONTEXT_H

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/limit/demote.h"
#include "core/move/out.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"
#include "mm/fake/fake.h"
#include "store.h"

struct world {
	struct uhmm *u;
	struct mm *mm;
	const struct mm_ops *orig; /* see world_hold() */
	struct mm_ops *ops;
	bool is_real; /* nobody may look into the page table */
};

/* Messages that tell of a bug of ours, never of a device or a program. */
static inline void world_log(void *arg, int level, const char *msg)
{
	(void)arg;
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%d: %s\n", level, msg);
	if (!strstr(msg, "in state") && (level > 4 || !strstr(msg, "already")))
		return;
	fprintf(stderr, "the core says: %s\n", msg);
	test_fail();
}

static inline struct world world_open(const struct uhmm_params *params)
{
	struct world w = { 0 };

	CHECK_EQ(core_open(params, mm_fake_open, &w.u), 0);
	uhmm_set_log(w.u, world_log, NULL);
	w.mm = w.u->mm;
	return w;
}

static inline void *world_at(size_t page)
{
	return (void *)(FAKE_BASE + page * PAGE);
}

static inline void world_map(struct world *w, size_t page, size_t npages)
{
	CHECK_EQ(fake_map(w->mm, FAKE_BASE + page * PAGE,
			  FAKE_BASE + (page + npages) * PAGE, MM_ANON),
		 0);
}

/* A page's content is a function of its number and a salt. */
static inline void world_pattern(unsigned char *buf, size_t page, unsigned salt)
{
	uint64_t seed = page * 1000003 + salt, v = test_random(&seed);

	for (size_t i = 0; i < PAGE; i += 8, v += seed)
		memcpy(buf + i, &v, 8);
}

static inline void world_fill(struct world *w, size_t page, size_t npages,
			      unsigned salt)
{
	unsigned char buf[4096];

	for (size_t i = page; i < page + npages; i++) {
		world_pattern(buf, i, salt);
		CHECK_EQ(fake_cpu_write(w->mm, (uintptr_t)world_at(i), buf,
					PAGE),
			 0);
	}
}

/* @as: the number under which the pages were filled. */
static inline void world_verify_as(struct world *w, size_t page, size_t npages,
				   size_t as, unsigned salt)
{
	unsigned char buf[4096], want[4096];

	for (size_t i = 0; i < npages; i++) {
		world_pattern(want, as + i, salt);
		CHECK_EQ(fake_cpu_read(w->mm, (uintptr_t)world_at(page + i),
				       buf, PAGE),
			 0);
		CHECK_MEM(buf, want, PAGE);
	}
}

static inline void world_verify(struct world *w, size_t page, size_t npages,
				unsigned salt)
{
	world_verify_as(w, page, npages, page, salt);
}

static inline void world_verify_zero(struct world *w, size_t page,
				     size_t npages)
{
	static const unsigned char zero[4096];
	unsigned char buf[4096];

	for (size_t i = page; i < page + npages; i++) {
		CHECK_EQ(fake_cpu_read(w->mm, (uintptr_t)world_at(i), buf,
				       PAGE),
			 0);
		CHECK_MEM(buf, zero, PAGE);
	}
}

static inline ssize_t world_move(struct world *w, size_t page, size_t npages,
				 struct uhmm_device *dev)
{
	return uhmm_migrate(w->u, world_at(page), npages * PAGE, dev);
}

static inline uint64_t world_word(struct world *w, size_t page)
{
	struct block *b = block_find(w->u, FAKE_BASE + page * PAGE);
	uint64_t word = 0;

	if (b) {
		block_lock(b);
		word = block_word(b, page % MM_BLOCK_PAGES);
		block_unlock(w->u, b);
	}
	return word;
}

static inline enum page_state world_state(struct world *w, size_t page)
{
	return page_state(world_word(w, page));
}

static inline struct uhmm_stats world_stats(struct world *w)
{
	struct uhmm_stats s = { .size = sizeof(s) };

	CHECK_EQ(uhmm_stats(w->u, &s), 0);
	return s;
}

/* Park the block of @page.  Return: as out_park() */
static inline int world_park(struct world *w, size_t page)
{
	struct mm_set all;

	set_fill(&all);
	return out_park(w->u, block_get(w->u, FAKE_BASE + page * PAGE), &all);
}

/* A limit without the thread that holds it: tests call policy_step(). */
static inline void world_set_limit(struct world *w, uint64_t npages)
{
	struct policy *p = &w->u->policy;

	policy_stop(w->u); /* inline, it is there from the start */
	atomic_store(&w->u->charge.root.idle, 1);
	p->running = true;
	CHECK_EQ(uhmm_set_ram_limit(w->u, npages * PAGE), 0);
	p->running = false;
}

#endif
