// SPDX-License-Identifier: MIT
/*
 * table.c - the device's page table, a mirror of the process's.
 *
 * A directory of leaves, each for 128 MiB of addresses.  A leaf is taken on
 * demand, and reused when it has no valid entry.  Only the host writes to the
 * table.  If an entry is cleared the page is not changed until the launches
 * that may have read that entry have ended: invalidate() waits for them.  A
 * launch ends soon, as a work-item that misses a page does not wait for it.
 *
 * A running launch may or may not see an entry that is made meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "run.h"

#define DIR_LEN	 (DIR_ENTRIES * sizeof(uint32_t))
#define LEAF_LEN (LEAF_PAGES * sizeof(uint32_t))

/* With all signals blocked: a handler of the application could fault. */
sigset_t table_lock(struct table *t)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&t->lock);
	return old;
}

void table_unlock(struct table *t, sigset_t old)
{
	pthread_mutex_unlock(&t->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

uint32_t *table_find(struct table *t, uint64_t page, uint32_t *ret_index)
{
	uint64_t dir = page >> LEAF_BITS;
	uint32_t leaf = dir < DIR_ENTRIES ? t->dir[dir] : 0;

	if (!leaf)
		return NULL;
	*ret_index = (uint32_t)((uint64_t)(leaf - 1) * LEAF_PAGES +
				page % LEAF_PAGES);
	return t->entries + *ret_index;
}

/* ---- Leaves ------------------------------------------------------------ */

static void drop_leaf(struct table *t, struct leaf *leaf)
{
	if (leaf->dir)
		t->dir[leaf->dir - 1] = 0;
	leaf->dir = 0;
	t->dir_is_dirty = true;
}

/* A leaf that is free, or has no valid entry; NULL: there is none. */
static struct leaf *take_leaf(struct table *t)
{
	struct leaf *empty = NULL;

	for (uint32_t i = 0; i < t->nr_leaves; i++) {
		if (!t->leaves[i].dir)
			return &t->leaves[i];
		if (!t->leaves[i].valid)
			empty = &t->leaves[i];
	}
	if (empty)
		drop_leaf(t, empty);
	return empty;
}

static int make_leaf(struct table *t, uint64_t page)
{
	uint64_t dir = page >> LEAF_BITS;
	struct leaf *leaf;
	uint32_t nr;

	if (dir >= DIR_ENTRIES)
		return -EFAULT;
	if (t->dir[dir])
		return 0;
	leaf = take_leaf(t);
	if (!leaf)
		return -ENOMEM;
	nr = (uint32_t)(leaf - t->leaves);
	memset(t->stamp + nr * LEAF_PAGES, 0, LEAF_LEN);
	memset(t->wanted + nr * LEAF_PAGES, 0, LEAF_LEN);
	leaf->dir = (uint32_t)dir + 1;
	leaf->is_dirty = true;
	t->dir_is_dirty = true;
	t->dir[dir] = nr + 1;
	return 0;
}

static void count(struct table *t, uint32_t index, int by)
{
	struct leaf *leaf = &t->leaves[index / LEAF_PAGES];

	leaf->valid += (uint32_t)by;
	leaf->is_dirty = true;
	t->valid += (uint64_t)(int64_t)by;
}

/* ---- What the library calls -------------------------------------------- */

static int enter_page(struct table *t, uint64_t page, uhmm_pfn_t pfn)
{
	uint64_t dpfn = uhmm_pfn_dpfn(pfn);
	uint32_t index, *entry;
	int err;

	/* The page did not come; a launch misses it again. */
	if (uhmm_pfn_device(pfn) != t->device || dpfn >= t->npages)
		return 0;
	err = make_leaf(t, page);
	if (err)
		return err;
	entry = table_find(t, page, &index);
	if (!(*entry & ENTRY_VALID)) {
		count(t, index, 1);
		t->used.host[dpfn] = 0;
		t->used.host[t->npages + dpfn] = 0;
	}
	*entry = (uint32_t)dpfn << ENTRY_SHIFT | ENTRY_VALID |
		 (pfn & UHMM_PFN_WRITE ? ENTRY_WRITE : 0);
	t->leaves[index / LEAF_PAGES].is_dirty = true;
	t->stamp[index] = t->epoch;
	t->uses[index] = NOT_YET_USED;
	return 0;
}

static int map(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages)
{
	struct table *t = priv;
	sigset_t old = table_lock(t);
	int err = 0;

	for (size_t i = 0; i < npages && !err; i++)
		err = enter_page(t, (start >> PAGE_SHIFT) + i, pfns[i]);
	table_unlock(t, old);
	return err;
}

/* Clear entries within one leaf.  Return: how many were valid. */
static unsigned clear(struct table *t, uint64_t page, uint64_t end)
{
	uint32_t index, *entry = table_find(t, page, &index);
	unsigned n = 0;

	if (!entry || !t->leaves[index / LEAF_PAGES].valid)
		return 0;
	for (; page < end; page++, entry++, index++) {
		if (!(*entry & ENTRY_VALID))
			continue;
		*entry = 0;
		count(t, index, -1);
		n++;
	}
	return n;
}

/* Wait for launches that may still use entries just cleared. */
static void wait_for_launch(struct table *t, uint32_t started)
{
	uint32_t ended;

	while ((int32_t)((ended = atomic_load(&t->ended)) - started) < 0)
		word_wait(&t->ended, ended);
}

static void invalidate(void *priv, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	uint64_t page = start >> PAGE_SHIFT;
	uint64_t last = (end - 1) >> PAGE_SHIFT;
	struct table *t = priv;
	sigset_t old = table_lock(t);
	unsigned cleared = 0;
	uint32_t started;

	if (last >= DIR_ENTRIES << LEAF_BITS)
		last = (DIR_ENTRIES << LEAF_BITS) - 1;
	while (t->valid && page <= last) {
		uint64_t next = (page | (LEAF_PAGES - 1)) + 1;

		cleared += clear(t, page, next <= last ? next : last + 1);
		page = next;
	}
	started = atomic_load(&t->started);
	table_unlock(t, old);
	if (cleared)
		wait_for_launch(t, started);
}

const struct uhmm_mirror_ops table_ops = {
	.size = sizeof(table_ops),
	.map = map,
	.invalidate = invalidate,
};

/* ---- Launches ---------------------------------------------------------- */

static void stage(struct table *t, size_t at, size_t len)
{
	if (!t->mem.is_direct)
		memcpy(t->mem.host + at, (char *)t->dir + at, len);
}

/* Stage the changed parts, as they are now, for a push.  Locked. */
static bool choose(struct table *t)
{
	bool dir = t->dir_is_dirty;

	if (dir)
		stage(t, 0, DIR_LEN);
	t->dir_is_dirty = false;
	for (uint32_t i = 0; i < t->nr_leaves; i++) {
		struct leaf *leaf = &t->leaves[i];

		leaf->is_pushed = leaf->is_dirty;
		leaf->is_dirty = false;
		if (leaf->is_pushed)
			stage(t, DIR_LEN + i * LEAF_LEN, LEAF_LEN);
	}
	return dir;
}

static cl_int push(struct table *t, cl_command_queue q, bool dir)
{
	cl_int err = dir ? shared_push(&t->mem, q, 0, DIR_LEN) : CL_SUCCESS;

	for (uint32_t i = 0; i < t->nr_leaves && !err; i++) {
		if (t->leaves[i].is_pushed)
			err = shared_push(&t->mem, q, DIR_LEN + i * LEAF_LEN,
					  LEAF_LEN);
	}
	return err;
}

/*
 * The launch may read an entry that is cleared after this: the clearing thread
 * sees that a launch runs, and waits for its end.  So the pushed table may be
 * older than the current one.
 */
cl_int table_begin(struct table *t, cl_command_queue q)
{
	sigset_t old = table_lock(t);
	bool dir = choose(t);

	atomic_fetch_add(&t->started, 1);
	table_unlock(t, old);
	return push(t, q, dir);
}

void table_end(struct table *t)
{
	atomic_fetch_add(&t->ended, 1);
	word_wake(&t->ended);
}

/* ---- Life -------------------------------------------------------------- */

static void *alloc_entries(const struct table *t)
{
	return uhmm_provider_alloc(t->nr_leaves * LEAF_LEN);
}

cl_int table_open(struct table *t, const struct pool *pool, unsigned device)
{
	cl_int err;

	pthread_mutex_init(&t->lock, NULL);
	t->device = device;
	t->npages = pool->npages;
	t->epoch = 1;
	t->nr_leaves = (uint32_t)(64 + 2 * (pool->npages >> LEAF_BITS));
	t->leaves = uhmm_provider_alloc(t->nr_leaves * sizeof(*t->leaves));
	t->stamp = alloc_entries(t);
	t->wanted = alloc_entries(t);
	t->uses = uhmm_provider_alloc(t->nr_leaves * LEAF_PAGES);
	if (!t->leaves || !t->stamp || !t->wanted || !t->uses)
		return CL_OUT_OF_HOST_MEMORY;
	err = shared_open(&t->mem, pool, DIR_LEN + t->nr_leaves * LEAF_LEN);
	if (!err)
		err = shared_open(&t->used, pool, 2 * t->npages);
	if (err)
		return err;
	/*
	 * Without direct memory the host's table is staged: it changes during a
	 * push.
	 */
	t->dir = t->mem.is_direct ? (uint32_t *)t->mem.host :
				    uhmm_provider_alloc(t->mem.len);
	if (!t->dir)
		return CL_OUT_OF_HOST_MEMORY;
	t->entries = t->dir + DIR_ENTRIES;
	t->dir_is_dirty = true;
	return CL_SUCCESS;
}

void table_close(struct table *t)
{
	if (t->dir && !t->mem.is_direct)
		uhmm_provider_free(t->dir, t->mem.len);
	shared_close(&t->mem);
	shared_close(&t->used);
	uhmm_provider_free(t->leaves, t->nr_leaves * sizeof(*t->leaves));
	uhmm_provider_free(t->stamp, t->nr_leaves * LEAF_LEN);
	uhmm_provider_free(t->wanted, t->nr_leaves * LEAF_LEN);
	uhmm_provider_free(t->uses, t->nr_leaves * LEAF_PAGES);
	pthread_mutex_destroy(&t->lock);
}
