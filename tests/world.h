/* SPDX-License-Identifier: MIT */
/*
 * world.h - a context on the fake page table, devices that watch the core, and
 * a check of all that must hold between them while nothing moves.
 *
 * Everything runs on the calling thread unless a test starts others, so that a
 * test is deterministic.  A message of the core about itself ("page ... in
 * state ...") stops the program.
 */
#ifndef UHMM_WORLD_H
#define UHMM_WORLD_H

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/limit/demote.h"
#include "core/move/out.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"
#include "mm/fake/fake.h"
#include "test.h"

#define PAGE ((size_t)MM_PAGE_SIZE)

/* ---- A device ---------------------------------------------------------- */

enum store_call {
	STORE_IN,
	STORE_OUT,
	STORE_CLEAR,
	STORE_DIRECT,
	STORE_FREE,
	STORE_NR_CALLS,
};

/*
 * Memory that knows which of its pages hold data.
 * @fail: the n-th call from now fails, once; 0: none
 * @broken: every call fails
 * @one_in: so many calls fail by chance; 0: none
 * @hook: runs in each call, before it does anything
 * @is_lost: uhmm_device_lost() has been called; @is_gone: and has returned
 * @fd: of what the CPU may map, or 0; a real one, or one of fake.h
 */
struct store {
	uint64_t npages;
	unsigned char *data;
	_Atomic unsigned char *full;
	_Atomic long calls[STORE_NR_CALLS];
	_Atomic long fail[STORE_NR_CALLS];
	_Atomic bool broken[STORE_NR_CALLS];
	unsigned one_in;
	_Atomic uint64_t seed;
	void (*hook)(struct store *s, enum store_call call,
		     const struct uhmm_segment *seg);
	void *arg;
	_Atomic bool is_released, is_lost, is_gone;
	int fd;
	bool is_real;
};

static inline int store_enter(struct store *s, enum store_call call,
			      const struct uhmm_segment *seg)
{
	CHECK(!atomic_load(&s->is_gone) && !atomic_load(&s->is_released));
	atomic_fetch_add(&s->calls[call], 1);
	if (s->hook)
		s->hook(s, call, seg);
	if (atomic_load(&s->fail[call]) > 0 &&
	    atomic_fetch_sub(&s->fail[call], 1) == 1)
		return -EIO;
	if (s->one_in) {
		uint64_t seed = atomic_fetch_add(&s->seed, 1) * 1000003;

		if (!test_below(&seed, s->one_in))
			return -EIO;
	}
	return atomic_load(&s->broken[call]) ? -EIO : 0;
}

static inline void store_bound(const struct store *s, uint64_t dpfn, size_t n)
{
	CHECK(n > 0 && dpfn < s->npages && n <= s->npages - dpfn);
}

static inline int store_in(void *priv, const struct uhmm_segment *seg,
			   size_t nr)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_IN, seg);

	for (size_t i = 0; i < nr && !err; i++) {
		store_bound(s, seg[i].dpfn, seg[i].npages);
		memcpy(s->data + seg[i].dpfn * PAGE, seg[i].ram,
		       seg[i].npages * PAGE);
		for (size_t k = 0; k < seg[i].npages; k++)
			atomic_store(&s->full[seg[i].dpfn + k], 1);
	}
	return err;
}

static inline int store_out(void *priv, const struct uhmm_segment *seg,
			    size_t nr)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_OUT, seg);

	for (size_t i = 0; i < nr; i++) {
		store_bound(s, seg[i].dpfn, seg[i].npages);
		for (size_t k = 0; k < seg[i].npages; k++)
			CHECK(atomic_load(&s->full[seg[i].dpfn + k]));
		if (err) /* what a failed copy leaves in RAM is ignored */
			memset(seg[i].ram, 0xee, seg[i].npages * PAGE);
		else
			memcpy(seg[i].ram, s->data + seg[i].dpfn * PAGE,
			       seg[i].npages * PAGE);
	}
	return err;
}

static inline int store_clear(void *priv, uint64_t dpfn, size_t npages)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_CLEAR, NULL);

	store_bound(s, dpfn, npages);
	if (err)
		return err;
	memset(s->data + dpfn * PAGE, 0, npages * PAGE);
	for (size_t k = 0; k < npages; k++)
		atomic_store(&s->full[dpfn + k], 1);
	return 0;
}

static inline const void *store_direct(void *priv, uint64_t dpfn, size_t npages)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_DIRECT, NULL);

	store_bound(s, dpfn, npages);
	for (size_t k = 0; k < npages; k++)
		CHECK(atomic_load(&s->full[dpfn + k]));
	return err ? NULL : s->data + dpfn * PAGE;
}

static inline void store_free(void *priv, uint64_t dpfn, size_t npages)
{
	struct store *s = priv;

	store_enter(s, STORE_FREE, NULL);
	store_bound(s, dpfn, npages);
	memset(s->data + dpfn * PAGE, 0xdd, npages * PAGE);
	for (size_t k = 0; k < npages; k++)
		atomic_store(&s->full[dpfn + k], 0);
}

/* ---- Its memory ---- */

/* What is left mapped of it is found when it is touched. */
static inline void store_free_memory(struct store *s)
{
	if (s->fd && s->is_real) {
		munmap(s->data, s->npages * PAGE);
		CHECK_EQ(ftruncate(s->fd, 0), 0);
		close(s->fd);
		return;
	}
	if (s->fd)
		fake_file_close(s->fd);
	free(s->data);
}

static inline void store_alloc_memory(struct store *s, bool is_mapped)
{
	size_t len = s->npages * PAGE;

	if (is_mapped && s->is_real) {
		s->fd = memfd_create("store", MFD_CLOEXEC);
		CHECK(s->fd > 0);
		CHECK_EQ(ftruncate(s->fd, (off_t)len), 0);
		s->data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			       s->fd, 0);
		CHECK(s->data != MAP_FAILED);
		return;
	}
	s->data = malloc(len);
	CHECK(s->data);
	if (is_mapped)
		s->fd = fake_file(s->data, s->npages);
	CHECK(s->fd >= 0);
}

static inline void store_release(void *priv)
{
	struct store *s = priv;

	CHECK(!atomic_exchange(&s->is_released, true));
	for (uint64_t i = 0; i < s->npages && !atomic_load(&s->is_lost); i++)
		CHECK(!atomic_load(&s->full[i]));
	store_free_memory(s);
	free((void *)s->full);
	s->data = NULL;
	s->full = NULL;
}

enum store_kind {
	STORE_PLAIN,	/* the two required copies, and what tells of leaks */
	STORE_TELLS,	/* the same, and it tells of writes */
	STORE_RICH,	/* clear(), too */
	STORE_FAST,	/* and direct(), and concurrent calls */
	STORE_COHERENT, /* the same, and the CPU maps it */
};

static const struct uhmm_device_ops store_ops[] = {
	[STORE_PLAIN] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.page_free = store_free,
		.release = store_release,
	},
	[STORE_TELLS] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.page_free = store_free,
		.release = store_release,
	},
	[STORE_RICH] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.clear = store_clear,
		.page_free = store_free,
		.release = store_release,
	},
	[STORE_FAST] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.clear = store_clear,
		.direct = store_direct,
		.page_free = store_free,
		.release = store_release,
	},
};

/* What uhmm_device_add() answers.  On failure nothing is left behind. */
static inline int store_try_add(struct uhmm *u, struct store *s,
				enum store_kind kind, uint64_t npages,
				struct uhmm_device **ret_dev)
{
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "store",
		.type = kind == STORE_COHERENT ? UHMM_MEMORY_DEVICE_COHERENT :
						 UHMM_MEMORY_DEVICE_PRIVATE,
		.flags = kind >= STORE_FAST  ? UHMM_DEVICE_CONCURRENT :
			 kind == STORE_TELLS ? UHMM_DEVICE_TELLS_WRITES :
					       0,
		.npages = npages,
		.ops = &store_ops[kind == STORE_COHERENT ? STORE_FAST : kind],
	};
	int err;

	memset(s, 0, sizeof(*s));
	s->npages = npages;
	s->is_real = u->mm->max_mappings != 0;
	store_alloc_memory(s, kind == STORE_COHERENT);
	s->full = calloc(npages, sizeof(*s->full));
	CHECK(s->full);
	desc.fd = s->fd;
	err = uhmm_device_add(u, &desc, s, ret_dev);
	if (err)
		store_release(s);
	return err;
}

static inline struct uhmm_device *store_add(struct uhmm *u, struct store *s,
					    enum store_kind kind,
					    uint64_t npages)
{
	struct uhmm_device *dev = NULL;

	CHECK_EQ(store_try_add(u, s, kind, npages, &dev), 0);
	return dev;
}

static inline uint64_t device_used(struct uhmm_device *dev)
{
	struct uhmm_device_info info = { .size = sizeof(info) };

	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	return info.used;
}

/* ---- The context ------------------------------------------------------- */

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

/* ---- What must hold while nothing moves -------------------------------- */

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

static inline void world_check_node(struct world *w, uintptr_t va,
				    uint64_t word)
{
	enum fake_state there = fake_state(w->mm, va);

	/* protected: that could not be undone, and a write undoes it */
	CHECK(there == FAKE_PRESENT || there == FAKE_PROTECTED);
	CHECK_EQ(fake_node(w->mm, va),
		 w->u->devices[page_dev(word)]->desc.node);
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
		if (w->u->devices[page_dev(word)]->desc.flags &
		    UHMM_DEVICE_NODE)
			world_check_node(w, va, word);
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
		CHECK(there == FAKE_POISONED || there == FAKE_EMPTY);
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
				&device_get(u, id)->pagemap.nused);
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

/*
 * What is in memory must be seen after uhmm_close() too, which closes the page
 * table: put that off until world_let_go().
 */
static inline void world_keep_mm(struct mm *mm)
{
	(void)mm;
}

static inline void world_hold(struct world *w)
{
	w->orig = w->mm->ops;
	w->ops = malloc(sizeof(*w->ops));
	CHECK(w->ops != NULL);
	*w->ops = *w->orig;
	w->ops->close = world_keep_mm;
	w->mm->ops = w->ops;
}

static inline void world_let_go(struct world *w)
{
	w->orig->close(w->mm);
	free(w->ops);
	w->mm = NULL;
}

/* Closes; every page must be at home and whole. */
static inline void world_close(struct world *w)
{
	world_check(w);
	CHECK_EQ(uhmm_close(w->u), 0);
	w->u = NULL;
}

#endif
