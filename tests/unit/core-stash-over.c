// SPDX-License-Identifier: MIT
/*
 * A page is taken by its mapping, and just before or after that another one is
 * moved over it, whatever that is, and perhaps moves on from there: the CPU
 * reads what was moved, at once or when it has come home.
 *
 * The page table does not say which of two pages is in the frame then, unless
 * one of them is not write-protected.  So a page that may be is known to be:
 * "marked" and those after it are, each for a reason of its own.
 */
#include <pthread.h>

#include "core/move/clean.h"
#include "mm/fake/fake_int.h"
#include "world.h"

#define TO    3
#define FROM  MM_BLOCK_PAGES
#define MID   (2 * MM_BLOCK_PAGES + 1)
#define ON    (3 * MM_BLOCK_PAGES + 5)
#define NPAGE 1

static struct world w;
static struct store store, spare;
static struct uhmm_device *dev, *node;
static struct mm_ops ops;
static void (*stash)(struct mm *mm, struct mm_freeze *f);
static size_t source; /* where the page is that is moved over TO */
static bool is_first, goes_on, is_taken;

/* The content that the page has in the end. */
enum content {
	DATA,
	ZERO,
	LOST,
};

/* ---- What FROM is -------------------------------------------------------- */

static void be_untouched(void)
{
	CHECK_EQ(uhmm_register(w.u, world_at(FROM), PAGE), 0);
}

static void be_ram(void)
{
	be_untouched();
	world_fill(&w, FROM, NPAGE, 2);
}

static void be_dropped(void)
{
	be_ram();
	fake_discard(w.mm, FAKE_BASE + FROM * PAGE,
		     FAKE_BASE + (FROM + NPAGE) * PAGE);
}

static void be_away(void)
{
	be_ram();
	CHECK_EQ(world_move(&w, FROM, NPAGE, dev), NPAGE);
}

static void be_empty(void)
{
	be_away();
	fake_discard(w.mm, FAKE_BASE + FROM * PAGE,
		     FAKE_BASE + (FROM + NPAGE) * PAGE);
}

static void be_clean(void)
{
	be_away();
	world_verify(&w, FROM, NPAGE, 2);
}

static int refuse(struct mm *mm, uintptr_t va, size_t npages)
{
	(void)mm;
	(void)va;
	(void)npages;
	return -EAGAIN;
}

/* The device's copy of the page is given up, but unprotect() fails. */
static void be_marked(void)
{
	const struct mm_ops *real = w.mm->ops;

	be_clean();
	ops = *real;
	ops.unprotect = refuse;
	w.mm->ops = &ops;
	CHECK_EQ(world_move(&w, FROM, NPAGE, NULL), NPAGE);
	w.mm->ops = real;
}

/* As the real one does first. */
static void mark(struct mm *mm)
{
	struct fake *f = fake_of(mm);

	fake_lock_page(f, FAKE_BASE + FROM * PAGE)->state = FAKE_PROTECTED;
	sys_mutex_unlock(&f->lock);
}

/* Locked after the mover had looked, so the mover does not get it. */
static void stash_locked(struct mm *mm, struct mm_freeze *f)
{
	const uintptr_t va = FAKE_BASE + FROM * PAGE;

	CHECK(set_has(&f->want, page_index(va)));
	mark(mm);
	fake_mark(mm, va, va + PAGE, FAKE_LOCKED, true);
	stash(mm, f);
	fake_mark(mm, va, va + PAGE, FAKE_LOCKED, false);
	CHECK_EQ(f->why[page_index(va)], UHMM_WHY_LOCKED);
}

static void move_to_mid(struct mm *mm)
{
	CHECK_EQ(fake_mremap(mm, FAKE_BASE + FROM * PAGE,
			     FAKE_BASE + MID * PAGE, PAGE),
		 0);
	source = MID;
}

static void stash_moved(struct mm *mm, struct mm_freeze *f)
{
	mark(mm);
	move_to_mid(mm);
	stash(mm, f);
}

static void stash_left(struct mm *mm, struct mm_freeze *f)
{
	stash(mm, f);
	move_to_mid(mm);
}

/* A mover that takes FROM by its mapping calls @fn for it. */
static const struct mm_ops *stash_with(void (*fn)(struct mm *mm,
						  struct mm_freeze *f))
{
	const struct mm_ops *real = w.mm->ops;

	fake_mark(w.mm, FAKE_BASE + FROM * PAGE,
		  FAKE_BASE + (FROM + NPAGE) * PAGE, FAKE_READONLY, true);
	ops = *real;
	stash = ops.stash;
	ops.stash = fn;
	w.mm->ops = &ops;
	return real;
}

static void move_with(void (*fn)(struct mm *mm, struct mm_freeze *f))
{
	const struct mm_ops *real = stash_with(fn);

	CHECK_EQ(world_move(&w, FROM, NPAGE, dev), 0);
	w.mm->ops = real;
}

/* The mover could not take the page, and the page's mark is still there. */
static void be_refused(void)
{
	be_ram();
	move_with(stash_locked);
}

/* Like be_refused(), but the page was clean. */
static void be_kept(void)
{
	const struct mm_ops *real;
	struct mm_set one;
	struct block *b;

	be_clean();
	b = block_find(w.u, FAKE_BASE + FROM * PAGE);
	set_clear(&one);
	set_add(&one, page_index(FAKE_BASE + FROM * PAGE));
	real = stash_with(stash_locked);
	block_take_mover(w.u, b);
	CHECK_EQ(clean_drop(w.u, b, &one), 0);
	block_let_go(w.u, b);
	w.mm->ops = real;
}

/* The page was moved away, with its mark, before the mover could take it. */
static void be_moved(void)
{
	be_ram();
	move_with(stash_moved);
	CHECK_EQ(source, MID);
}

/* The mover took the page, and then its mapping moved away. */
static void be_left(void)
{
	be_marked();
	move_with(stash_left);
	CHECK_EQ(source, MID);
}

static void be_frozen(void)
{
	be_ram();
	CHECK_EQ(world_park(&w, FROM), NPAGE);
}

static void be_on_node(void)
{
	be_ram();
	CHECK_EQ(world_move(&w, FROM, NPAGE, node), NPAGE);
}

static void be_lost(void)
{
	be_away();
	atomic_store(&store.is_lost, true);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	dev = store_add(w.u, &spare, STORE_PLAIN, 64);
}

static const struct from {
	const char *name;
	void (*be)(void);
	enum page_state state;
	enum content content;
} all[] = {
	{ "untouched", be_untouched, P_RAM, ZERO },
	{ "in RAM", be_ram, P_RAM, DATA },
	{ "dropped", be_dropped, P_DROPPED, ZERO },
	{ "empty", be_empty, P_EMPTY, ZERO },
	{ "clean", be_clean, P_CLEAN, DATA },
	{ "marked", be_marked, P_RAM, DATA },
	{ "refused", be_refused, P_RAM, DATA },
	{ "kept", be_kept, P_RAM, DATA },
	{ "moved", be_moved, P_RAM, DATA },
	{ "left behind", be_left, P_FROZEN, DATA },
	{ "away", be_away, P_DEVICE, DATA },
	{ "frozen", be_frozen, P_FROZEN, DATA },
	{ "on a node", be_on_node, P_COHERENT, DATA },
	{ "lost", be_lost, P_POISONED, LOST },
};

/* ---- Events ---- */

/*
 * In a kernel, what was moved just before a mapping is told just after the
 * mapping has moved.
 */
static struct event {
	bool is_remap;
	uintptr_t from, to;
	size_t len;
} events[4];
static unsigned nr_events;
static struct mm_client client;

static void note_unmap(void *priv, uintptr_t start, uintptr_t end)
{
	(void)priv;
	events[nr_events++] = (struct event){ false, start, 0, end - start };
}

static void note_remap(void *priv, uintptr_t from, uintptr_t to, size_t len)
{
	(void)priv;
	events[nr_events++] = (struct event){ true, from, to, len };
}

static const struct mm_client *put_off_events(void)
{
	const struct mm_client *real = w.mm->client;

	nr_events = 0;
	client = *real;
	client.unmap = note_unmap;
	client.remap = note_remap;
	w.mm->client = &client;
	return real;
}

static void tell_events(const struct mm_client *real)
{
	w.mm->client = real;
	for (unsigned i = 0; i < nr_events; i++) {
		const struct event *e = &events[i];

		if (e->is_remap)
			real->remap(real->priv, e->from, e->to, e->len);
		else
			real->unmap(real->priv, e->from, e->from + e->len);
	}
}

/* ---- The race ------------------------------------------------------------ */

static void move_over(void)
{
	uintptr_t to = FAKE_BASE + TO * PAGE;

	fake_munmap(w.mm, to, to + PAGE);
	CHECK_EQ(fake_mremap(w.mm, FAKE_BASE + source * PAGE, to, PAGE), 0);
}

static void move_on(void)
{
	CHECK_EQ(fake_mremap(w.mm, FAKE_BASE + TO * PAGE, FAKE_BASE + ON * PAGE,
			     PAGE),
		 0);
}

/* The real one knows what is late by its marks. */
static void stash_over(struct mm *mm, struct mm_freeze *f)
{
	const struct mm_client *real = mm->client;
	enum fake_state there;

	CHECK(set_has(&f->want, TO));
	if (is_first) {
		put_off_events();
		move_over();
	}
	there = fake_state(mm, FAKE_BASE + TO * PAGE);
	stash(mm, f);
	if (is_first && there == FAKE_PRESENT)
		set_add(&f->late, TO);
	if (!is_first)
		move_over();
	if (goes_on)
		move_on();
	if (is_first)
		tell_events(real);
}

static void *race_main(void *arg)
{
	(void)arg;
	CHECK(world_move(&w, 0, 8, dev) >= 0);
	return NULL;
}

static void stash_beside(struct mm *mm, struct mm_freeze *f)
{
	pthread_t thread;

	if (f->va == FAKE_BASE) {
		stash_over(mm, f);
		return;
	}
	CHECK_EQ(pthread_create(&thread, NULL, race_main, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	stash(mm, f);
}

/* @taken: the mover of another block is about to take the page there. */
static void race(void)
{
	uintptr_t from = FAKE_BASE + source * PAGE;

	ops = *w.mm->ops;
	stash = ops.stash;
	ops.stash = stash_beside;
	w.mm->ops = &ops;
	if (is_taken) {
		fake_mark(w.mm, from, from + PAGE, FAKE_READONLY, true);
		CHECK_EQ(world_move(&w, source, NPAGE, dev), 0);
	} else {
		race_main(NULL);
	}
	ops.stash = stash;
}

static void verify(const struct from *from, size_t at)
{
	unsigned char byte;

	if (from->content == DATA)
		world_verify_as(&w, at, NPAGE, FROM, 2);
	else if (from->content == ZERO)
		world_verify_zero(&w, at, NPAGE);
	else
		CHECK_EQ(fake_cpu_read(w.mm, FAKE_BASE + at * PAGE, &byte, 1),
			 -EIO);
}

static void add_node(void)
{
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "node",
		.type = UHMM_MEMORY_DEVICE_COHERENT,
		.flags = UHMM_DEVICE_NODE | UHMM_DEVICE_CONCURRENT,
		.npages = 64,
		.node = 1,
		.ops =
			&(const struct uhmm_device_ops){
				.size = sizeof(struct uhmm_device_ops) },
	};

	fake_set_node(w.mm, 1, 64);
	CHECK_EQ(uhmm_device_add(w.u, &desc, NULL, &node), 0);
}

static void test(const struct from *from, bool home)
{
	struct uhmm_params params = { .size = sizeof(params) };
	size_t at = goes_on ? ON : TO;

	w = world_open(&params);
	world_set_limit(&w, 64);
	dev = store_add(w.u, &store, STORE_PLAIN, 64);
	add_node();
	world_map(&w, 0, FROM + NPAGE);
	source = FROM;
	from->be();
	CHECK_EQ(world_state(&w, source), from->state);
	world_fill(&w, 0, 8, 1);
	fake_mark(w.mm, FAKE_BASE, FAKE_BASE + 8 * PAGE, FAKE_READONLY, true);
	race();
	world_check(&w);
	if (home)
		world_move(&w, at, NPAGE, NULL);
	verify(from, at);
	world_verify(&w, 0, TO, 1);
	world_close(&w);
}

static bool can_be_taken(const struct from *from)
{
	return from->content == DATA &&
	       (from->state == P_RAM || from->state == P_CLEAN);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		for (int k = 0; k < 16; k++) {
			is_first = k & 1;
			goes_on = k & 4;
			is_taken = k & 8;
			if (is_taken && !can_be_taken(&all[i]))
				continue;
			printf("%s, %s, %s%s%s\n", all[i].name,
			       is_first ? "first" : "then",
			       k & 2 ? "home" : "touched",
			       goes_on ? ", moves on" : "",
			       is_taken ? ", being taken" : "");
			fflush(stdout);
			test(&all[i], k & 2);
		}
	return 0;
}
