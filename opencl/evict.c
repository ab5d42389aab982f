// SPDX-License-Identifier: MIT
/*
 * evict.c - sends pages home to make room for others.
 *
 * Pages in the table go first, those that were not used for longest, and of the
 * same age those that were used once: a stream needs its pages once.  Pages of
 * this epoch stay.  Then pages go that are on the device but not in the table.
 */
#include <string.h>

#include "run.h"

#define MAX_AGE 32u /* in epochs; older pages count as this old */
#define NR_RUNS 256
#define NR_PFNS 512

struct victims {
	struct uhmm_cl *cl;
	uint64_t want, got;
	uint32_t rank; /* the lowest rank that goes */
	unsigned nr;
	struct {
		uint64_t page, npages;
	} run[NR_RUNS];
};

uint64_t device_room(struct uhmm_cl *cl)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	uint64_t taken;

	if (uhmm_device_query(cl->dev, &info))
		return 0;
	taken = info.used + info.failed;
	return info.npages > taken ? info.npages - taken : 0;
}

static void pull_on_worker(void *arg)
{
	struct uhmm_cl *cl = arg;

	if (!shared_pull(&cl->table.used, cl->queue, 0, cl->table.npages))
		clFinish(cl->queue);
}

static void push_on_worker(void *arg)
{
	struct uhmm_cl *cl = arg;

	if (!shared_push(&cl->table.used, cl->queue, 0, cl->table.npages))
		clFinish(cl->queue);
}

/* ---- Ranks ------------------------------------------------------------- */

#define NR_RANKS ((MAX_AGE + 1) * NR_USES)

static void note_use(struct table *t, uint32_t index)
{
	uint8_t *uses = &t->uses[index];

	if (t->stamp[index] + 1 < t->epoch)
		t->stamp[index] = t->epoch - 1;
	if (*uses == NOT_YET_USED)
		*uses = USED_ONCE;
	else if (*uses == USED_ONCE)
		*uses = USED_TWICE;
	else
		*uses = USED_OFTEN;
}

/* Pages of the highest rank go first; pages below NR_USES stay. */
static uint32_t rank_of(const struct table *t, uint32_t index)
{
	uint32_t age = t->epoch - t->stamp[index];

	return (age < MAX_AGE ? age : MAX_AGE) * NR_USES + t->uses[index];
}

/* Count pages by rank, and note which were accessed.  Locked. */
static void count_ranks(struct table *t, uint64_t *ranks)
{
	for (uint32_t i = 0; i < t->nr_leaves * LEAF_PAGES; i++) {
		uint32_t dpfn = t->entries[i] >> ENTRY_SHIFT;

		if (!t->leaves[i / LEAF_PAGES].valid) {
			i |= LEAF_PAGES - 1;
			continue;
		}
		if (!(t->entries[i] & ENTRY_VALID))
			continue;
		if (t->used.host[dpfn])
			note_use(t, i);
		t->used.host[dpfn] = 0;
		ranks[rank_of(t, i)]++;
	}
}

/* The highest rank from which on there are @want pages; at least NR_USES. */
static uint32_t find_rank(struct uhmm_cl *cl, uint64_t want)
{
	uint64_t ranks[NR_RANKS] = { 0 }, sum = 0;
	uint32_t rank = NR_RANKS;
	sigset_t old;

	worker_do(&cl->worker, pull_on_worker, cl);
	old = table_lock(&cl->table);
	count_ranks(&cl->table, ranks);
	table_unlock(&cl->table, old);
	worker_do(&cl->worker, push_on_worker, cl);
	while (rank > NR_USES && sum < want)
		sum += ranks[--rank];
	return rank;
}

/* ---- From the table ---------------------------------------------------- */

static void add(struct victims *v, uint64_t page)
{
	unsigned last = v->nr - 1;

	if (v->nr && v->run[last].page + v->run[last].npages == page) {
		v->run[last].npages++;
		return;
	}
	v->run[v->nr].page = page;
	v->run[v->nr++].npages = 1;
}

/*
 * Collect pages from index @i on, until there are enough or no run is free.
 * Return: the index to go on from.  Locked.
 */
static uint32_t collect(struct victims *v, uint32_t i)
{
	struct table *t = &v->cl->table;
	uint64_t n = v->got;

	for (; i < t->nr_leaves * LEAF_PAGES && n < v->want; i++) {
		const struct leaf *leaf = &t->leaves[i / LEAF_PAGES];

		if (!leaf->valid) {
			i |= LEAF_PAGES - 1;
			continue;
		}
		if (!(t->entries[i] & ENTRY_VALID) || rank_of(t, i) < v->rank)
			continue;
		if (v->nr == NR_RUNS)
			break;
		add(v,
		    (uint64_t)(leaf->dir - 1) << LEAF_BITS | (i % LEAF_PAGES));
		n++;
	}
	return i;
}

static void send_home(struct victims *v)
{
	for (unsigned i = 0; i < v->nr && v->got < v->want; i++) {
		void *addr = (void *)(uintptr_t)(v->run[i].page << PAGE_SHIFT);
		ssize_t n = uhmm_migrate(v->cl->u, addr,
					 v->run[i].npages * PAGE, NULL);

		if (n > 0)
			v->got += (uint64_t)n;
	}
	v->nr = 0;
}

static void evict_mapped(struct victims *v)
{
	struct table *t = &v->cl->table;
	uint32_t at = 0;

	v->rank = find_rank(v->cl, v->want);
	while (v->got < v->want && at < t->nr_leaves * LEAF_PAGES) {
		sigset_t old = table_lock(t);

		at = collect(v, at);
		table_unlock(t, old);
		send_home(v);
	}
}

/* ---- What no kernel asked for ------------------------------------------ */

static bool is_mapped(struct table *t, uint64_t page)
{
	sigset_t old = table_lock(t);
	uint32_t index, *entry = table_find(t, page, &index);
	bool mapped = entry && *entry & ENTRY_VALID;

	table_unlock(t, old);
	return mapped;
}

static void evict_part(struct victims *v, uintptr_t addr, size_t npages)
{
	uhmm_pfn_t pfns[NR_PFNS];

	if (uhmm_snapshot(v->cl->u, (void *)addr, npages * PAGE, pfns))
		return;
	for (size_t i = 0; i < npages; i++) {
		uint64_t page = (addr >> PAGE_SHIFT) + i;

		if (uhmm_pfn_device(pfns[i]) != v->cl->table.device ||
		    is_mapped(&v->cl->table, page))
			continue;
		if (v->nr == NR_RUNS)
			send_home(v);
		add(v, page);
	}
	send_home(v);
}

static void evict_range(struct victims *v, const struct uhmm_range *range)
{
	uintptr_t addr = (uintptr_t)range->addr, end = addr + range->len;

	while (addr < end && v->got < v->want) {
		size_t n = (end - addr) / PAGE;

		n = n < NR_PFNS ? n : NR_PFNS;
		evict_part(v, addr, n);
		addr += n * PAGE;
	}
}

static void evict_others(struct victims *v)
{
	const void *from = NULL;
	struct uhmm_range range = { .size = sizeof(range) };

	while (v->got < v->want &&
	       uhmm_ranges(v->cl->u, from, &range, 1) == 1) {
		if (range.device_pages)
			evict_range(v, &range);
		from = (char *)range.addr + range.len;
	}
}

uint64_t evict(struct uhmm_cl *cl, uint64_t want, uint64_t *evicted)
{
	struct victims v = { .cl = cl, .want = want };

	evict_mapped(&v);
	if (v.got < want)
		evict_others(&v);
	*evicted += v.got;
	return v.got;
}
