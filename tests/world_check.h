/* SPDX-License-Identifier: MIT */
/* world_check.h - all that must hold in a world while nothing moves. */
#ifndef UHMM_WORLD_CHECK_H
#define UHMM_WORLD_CHECK_H

#include "core/page/twin.h"
#include "world_context.h"

struct world_sum {
	uint64_t charged, on_device, frozen, kept, keeping;
	uint64_t of_device[MAX_DEVICES];
	uint8_t *seen[MAX_DEVICES]; /* dpfns */
	uint8_t held[MAX_SLOTS];
	uint32_t nr_held;
};

static inline void world_see_dpfn(struct uhmm *u, struct world_sum *sum,
				  uint64_t word)
{
	unsigned id = page_dev(word);
	struct uhmm_device *dev = u->devices[id];
	uint64_t dpfn = page_dpfn(word);

	CHECK(dev != NULL);
	CHECK(dpfn < dev->pagemap.npages);
	if (!sum->seen[id])
		sum->seen[id] = calloc(dev->pagemap.npages, 1);
	CHECK(sum->seen[id] != NULL);
	CHECK(!sum->seen[id][dpfn]++);
	CHECK(dev->pagemap.used[dpfn / 64] >> dpfn % 64 & 1);
	sum->of_device[id]++;
	sum->on_device++;
}

/* A page that the kernel module has brought home may have an old word. */
static inline void world_check_site(struct world *w, uintptr_t va,
				    uint64_t word)
{
	struct uhmm_device *dev = w->u->devices[page_dev(word)];
	enum fake_state there = fake_state(w->mm, va);

	/* protected: that could not be undone, and a write undoes it */
	CHECK(there == FAKE_PRESENT || there == FAKE_PROTECTED);
	if (!device_is_kmod(dev) || fake_node(w->mm, va) != 0)
		CHECK_EQ(fake_node(w->mm, va), dev->site);
}

/* The CPU maps the very page. */
static inline void world_check_placed(struct world *w, uintptr_t va,
				      uint64_t word)
{
	struct uhmm_device *dev = w->u->devices[page_dev(word)];

	CHECK(!(word & PAGE_DROP));
	CHECK(w->mm->ops->is_placed(w->mm, va, dev->desc.fd,
				    dev->desc.offset + page_dpfn(word) * PAGE));
}

/* The word against the page table. */
static inline void world_check_page(struct world *w, uintptr_t va,
				    uint64_t word, struct world_sum *sum)
{
	enum fake_state there = w->is_real ? FAKE_EMPTY : fake_state(w->mm, va);

	if (w->is_real && page_state(word) == P_CLEAN)
		there = FAKE_PROTECTED;
	switch (page_state(word)) {
	case P_RAM:
	case P_DROPPED:
		break;
	case P_DEVICE:
		world_see_dpfn(w->u, sum, word);
		CHECK_EQ(there, FAKE_EMPTY);
		break;
	case P_COHERENT:
		world_see_dpfn(w->u, sum, word);
		if (device_is_site(w->u->devices[page_dev(word)]))
			world_check_site(w, va, word);
		else
			world_check_placed(w, va, word);
		break;
	case P_CLEAN:
		world_see_dpfn(w->u, sum, word);
		sum->on_device--; /* it counts as RAM */
		CHECK_EQ(there, FAKE_PROTECTED);
		break;
	case P_FROZEN:
		sum->frozen++;
		CHECK_EQ(there, FAKE_EMPTY);
		break;
	case P_EMPTY:
		CHECK_EQ(there, FAKE_EMPTY);
		break;
	case P_POISONED:
		CHECK(there == FAKE_POISONED || there == FAKE_EMPTY ||
		      (!w->is_real && fake_node(w->mm, va) >= MM_KMOD_SITES));
		break;
	default:
		fprintf(stderr, "page %#jx is %s while nothing moves\n",
			(uintmax_t)va, page_state_name(page_state(word)));
		test_fail();
	}
	sum->charged += page_in_ram(word);
}

/* The frame has what the device has. */
static inline void world_check_kept(struct world *w, struct block *b,
				    unsigned i, struct world_sum *sum)
{
	uint64_t word = block_word(b, i);
	struct store *s = w->u->devices[page_dev(word)]->priv;

	CHECK_EQ(page_state(word), P_DEVICE);
	CHECK(set_has(&slot_of(w->u, b->slot)->stock, i));
	CHECK_MEM((char *)block_slot_va(w->u, b) + i * PAGE,
		  s->data + page_dpfn(word) * PAGE, PAGE);
	sum->kept++;
}

static inline void world_check_block(struct world *w, struct block *b,
				     struct world_sum *sum)
{
	unsigned nr[P_NR_STATES] = { 0 }, charged = 0, pinned = 0;

	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++) {
		uint64_t word = block_word(b, i);

		nr[page_state(word)]++;
		charged += page_in_ram(word);
		pinned += page_pins(word) > 0;
		world_check_page(w, b->va + i * PAGE, word, sum);
		if (kept_has(w->u, b, i))
			world_check_kept(w, b, i, sum);
		if (twin_has(b, i)) {
			world_see_dpfn(w->u, sum, twin_of(b, i)->word);
			sum->on_device--; /* beside the page in RAM */
		}
		if (page_state(word) == P_FROZEN) {
			CHECK(b->slot != NO_SLOT);
			CHECK(set_has(&slot_of(w->u, b->slot)->stock, i));
		}
	}
	for (int s = P_RAM + 1; s < P_NR_STATES; s++)
		CHECK_EQ(b->nr[s], nr[s]);
	CHECK_EQ(b->nr_charged, charged);
	CHECK_EQ(b->nr_pinned, pinned);
	CHECK_EQ(b->ram_delta, 0);
	sum->keeping += b->nr_kept > 0;
	CHECK(b->nr_kept < 1 || b->slot != NO_SLOT);
	if (b->slot != NO_SLOT) {
		CHECK_EQ(b->nr_kept, set_count(&slot_of(w->u, b->slot)->kept));
		CHECK(!sum->held[b->slot]++);
		sum->nr_held++;
	}
}

static inline uint64_t world_check_list(struct uhmm *u, struct world_sum *sum,
					const struct slot_list *l)
{
	uint64_t pages = 0;
	uint32_t n = 0;

	for (uint32_t s = l->head; s; s = u->slots.slots[s - 1].next, n++) {
		CHECK(!sum->held[s - 1]++);
		CHECK_EQ(set_count(&u->slots.slots[s - 1].stock),
			 u->slots.slots[s - 1].nr_stock);
		CHECK(set_empty(&u->slots.slots[s - 1].kept));
		pages += u->slots.slots[s - 1].nr_stock;
	}
	CHECK_EQ(n, l->len);
	sum->nr_held += n;
	return pages;
}

/*
 * A handler thread wakes the waiters for a page before it updates the counts:
 * give it the time.
 */
static inline bool world_is_quiet(struct world *w)
{
	int64_t charged = 0, kept = 0, used = 0;
	uint32_t slots = 0;
	struct uhmm *u = w->u;

	for (uint32_t i = 0; i < atomic_load(&u->nr_blocks); i++) {
		struct block *b = u->blocks[i];

		block_lock(b);
		charged += b->nr_charged;
		kept += b->nr[P_DEVICE] + b->nr[P_COMING] + b->nr[P_CLEAN] +
			b->nr[P_COHERENT];
		block_unlock(u, b);
	}
	for (unsigned id = 1; id < MAX_DEVICES; id++)
		if (device_get(u, id))
			used += (int64_t)atomic_load(
					&device_get(u, id)->pagemap.nused) -
				atomic_load(&device_get(u, id)->twins);
	for (uint32_t i = 0; i < atomic_load(&u->nr_blocks); i++)
		slots += u->blocks[i]->slot != NO_SLOT;
	slots += u->slots.bare.len + u->slots.thin.len +
		 u->slots.stocked[0].len + u->slots.stocked[1].len;
	return atomic_load(&u->ram) == charged && used == kept &&
	       slots == u->slots.nr_used && !atomic_load(&u->bounce.used);
}

static inline void world_check(struct world *w)
{
	static struct world_sum sum;
	struct uhmm *u = w->u;
	uint64_t stock;

	if (w->mm->ops->sync) /* what was done may not be known yet */
		w->mm->ops->sync(w->mm);
	for (int i = 0; w->is_real && i < 1000 && !world_is_quiet(w); i++)
		usleep(1000);
	memset(&sum, 0, sizeof(sum));
	for (uint32_t i = 0; i < atomic_load(&u->nr_blocks); i++) {
		block_lock(u->blocks[i]);
		world_check_block(w, u->blocks[i], &sum);
		block_unlock(u, u->blocks[i]);
	}
	CHECK_EQ(atomic_load(&u->ram), sum.charged);
	CHECK_EQ(atomic_load(&u->on_device), sum.on_device);
	CHECK_EQ(atomic_load(&u->frozen), sum.frozen);
	CHECK_EQ(atomic_load(&u->kept), sum.kept);
	CHECK_EQ(atomic_load(&u->slots.nr_keeping), sum.keeping);
	for (unsigned id = 1; id < MAX_DEVICES; id++) {
		if (u->devices[id])
			CHECK_EQ(atomic_load(&u->devices[id]->pagemap.nused),
				 sum.of_device[id]);
		free(sum.seen[id]);
	}
	stock = world_check_list(u, &sum, &u->slots.bare);
	CHECK_EQ(stock, 0);
	stock += world_check_list(u, &sum, &u->slots.thin);
	stock += world_check_list(u, &sum, &u->slots.stocked[0]);
	stock += world_check_list(u, &sum, &u->slots.stocked[1]);
	CHECK_EQ(atomic_load(&u->slots.pages), stock);
	CHECK_EQ(sum.nr_held, u->slots.nr_used);
	CHECK_EQ(atomic_load(&u->bounce.used), 0);
}

#endif
