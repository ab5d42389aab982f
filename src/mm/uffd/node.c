/* SPDX-License-Identifier: MIT */
/*
 * node.c - NUMA nodes that are devices: pages move there and back by
 * move_pages(2), and no other memory is allocated there.
 *
 * DOC: Moves
 *
 * A call costs some ten microseconds however few pages it names, since the
 * kernel empties the caches of all CPUs first; so there is one a block.  The
 * kernel stops at a page that it cannot move, and does not say which page that
 * was.  The pages that are left are looked up and tried by halves, until the
 * culprit is alone.
 *
 * A huge page moves as a whole or is split, as only a part of it is wanted:
 * MADV_COLD of one page does that, and no harm.
 *
 * DOC: Isolation
 *
 * Each mapping that is tracked, and each of our own (own.c), is bound to the
 * other nodes.  Even when those are full nothing comes from a device, and the
 * kernel's balancing leaves bound memory alone.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/uffd.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif

#define TRIES 3 /* of a page that is busy for a moment */

/* @index: of each page in its block */
struct job {
	uint8_t *why;
	unsigned nr;
	uint16_t index[MM_BLOCK_PAGES];
	void *page[MM_BLOCK_PAGES];
	int node[MM_BLOCK_PAGES];
	int status[MM_BLOCK_PAGES];
};

/* ---- Where pages are -------------------------------------------------- */

static void job_init(struct job *j, const struct mm_sites *n,
		     const struct mm_set *set)
{
	j->nr = 0;
	set_for_each(set, i) {
		j->index[j->nr] = (uint16_t)i;
		j->page[j->nr++] = (void *)(n->va + i * MM_PAGE_SIZE);
	}
}

int uffd_node_look(struct mm *mm, struct mm_sites *n)
{
	struct job j;
	long ret;

	(void)mm;
	job_init(&j, n, &n->set);
	if (!j.nr)
		return 0;
	ret = sys_move_pages(j.nr, j.page, NULL, j.status);
	if (ret < 0)
		return (int)ret;
	for (unsigned k = 0; k < j.nr; k++)
		n->on[j.index[k]] =
			(int16_t)(j.status[k] < 0 ? MM_SITE_NONE : j.status[k]);
	return 0;
}

/* ---- Moving ----------------------------------------------------------- */

static uint8_t why_of(long err)
{
	switch (err) {
	case -EACCES:
		return UHMM_WHY_SHARED;
	case -ENOMEM:
		return UHMM_WHY_NO_ROOM;
	case -EBUSY:
		return UHMM_WHY_PINNED;
	default:
		return UHMM_WHY_BUSY;
	}
}

static void refuse_job(struct job *j, unsigned first, unsigned last, long err)
{
	for (; first < last; first++)
		j->why[j->index[first]] = why_of(err ? err : j->status[first]);
}

static void swap_in(struct job *j, unsigned to, unsigned from)
{
	j->index[to] = j->index[from];
	j->page[to] = j->page[from];
	j->status[to] = j->status[from];
}

/*
 * Of [first, last) those that are there, but not where they should be, to the
 * front, with what the move said of them.  Return: how many.
 */
static unsigned keep_left(struct job *j, unsigned first, unsigned last)
{
	int now[MM_BLOCK_PAGES];
	unsigned to = first;

	if (sys_move_pages(last - first, j->page + first, NULL, now) < 0)
		return last - first;
	for (unsigned k = first; k < last; k++)
		if (now[k - first] >= 0 && now[k - first] != j->node[k])
			swap_in(j, to++, k);
	return to - first;
}

static long move_job_once(struct job *j, unsigned first, unsigned last)
{
	for (unsigned k = first; k < last; k++)
		j->status[k] = -EBUSY;
	return sys_move_pages(last - first, j->page + first, j->node + first,
			      j->status + first);
}

static void move_list(struct job *j, unsigned first, unsigned last, int tries)
{
	long ret;
	unsigned n;

	if (first == last)
		return;
	ret = move_job_once(j, first, last);
	n = keep_left(j, first, last);
	last = first + n;
	if (ret < 0) {
		refuse_job(j, first, last, ret);
	} else if (ret && n > 1) {
		move_list(j, first, first + n / 2, tries);
		move_list(j, first + n / 2, last, tries);
	} else if (n && tries) {
		move_list(j, first, last, tries - 1);
	} else {
		refuse_job(j, first, last, 0);
	}
}

static void move_to(struct job *j, int node)
{
	for (unsigned k = 0; k < j->nr; k++) {
		j->node[k] = node;
		j->why[j->index[k]] = UHMM_WHY_OK;
	}
	move_list(j, 0, j->nr, TRIES);
}

/* Leave the huge page that others are a part of, too. */
static void split(const struct mm_sites *n)
{
	unsigned first = set_find(&n->set, 0, true);

	if (first < MM_BLOCK_PAGES && !set_full(&n->set))
		sys_madvise(n->va + first * MM_PAGE_SIZE, MM_PAGE_SIZE,
			    MADV_COLD);
}

/* Pages for which the node that was tried had no room. */
static struct mm_set without_room(const struct mm_sites *n)
{
	struct mm_set ret;

	set_clear(&ret);
	set_for_each(&n->set, i)
		if (n->why[i] == UHMM_WHY_NO_ROOM)
			set_add(&ret, i);
	return ret;
}

/* The node of this CPU, then any other. */
static void move_home(struct uffd *b, struct mm_sites *n, struct job *j)
{
	struct sys_nodes others;
	int near = sys_nodes_current();

	sys_mutex_lock(&b->nodes.lock);
	others = b->nodes.others;
	sys_mutex_unlock(&b->nodes.lock);
	if (!sys_nodes_has(&others, near))
		near = sys_nodes_next(&others, 0);
	move_to(j, near);
	for (int node = sys_nodes_next(&others, 0); node >= 0;
	     node = sys_nodes_next(&others, node + 1)) {
		struct mm_set rest = without_room(n);

		job_init(j, n, &rest);
		if (j->nr && node != near)
			move_to(j, node);
	}
}

void uffd_node_move(struct mm *mm, struct mm_sites *n)
{
	struct job j;

	split(n);
	job_init(&j, n, &n->set);
	j.why = n->why;
	if (n->to == MM_SITE_HOME)
		move_home(to_uffd(mm), n, &j);
	else
		move_to(&j, n->to);
}

/* ---- Isolation -------------------------------------------------------- */

/* Bound by us: now, or before the last change? */
static bool is_our_binding(const struct uffd_nodes *t,
			   const struct sys_nodes *was)
{
	return sys_nodes_equal(was, &t->others) ||
	       sys_nodes_equal(was, &t->before);
}

/* Memory that the application itself has bound is left alone. */
static int bind_mapping(const struct uffd_nodes *t, uintptr_t start,
			uintptr_t end, const struct sys_nodes *to)
{
	enum sys_nodes_policy policy;
	struct sys_nodes was;
	bool ours;
	int err;

	err = sys_nodes_policy(start, &policy, &was);
	if (err)
		return err == -EFAULT ? 0 : err; /* gone meanwhile */
	ours = policy == SYS_NODES_BOUND && is_our_binding(t, &was);
	if (!ours && !(policy == SYS_NODES_ANY && to))
		return 0;
	err = sys_nodes_bind(start, end - start, to);
	return err == -EFAULT ? 0 : err;
}

static int bind_range(struct uffd *b, uintptr_t start, uintptr_t end,
		      const struct sys_nodes *to)
{
	struct uffd_vma vma;
	int ret = 0;

	while (start < end && !uffd_find_vma(b, start, &vma) &&
	       vma.start < end) {
		if (vma.start > start)
			start = vma.start;
		if (vma.end > end)
			vma.end = end;
		if (vma.anon) {
			int err = bind_mapping(&b->nodes, start, vma.end, to);

			ret = ret ? ret : err;
		}
		start = vma.end;
	}
	return ret;
}

int uffd_isolate(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_nodes *t = &b->nodes;
	int err;

	sys_mutex_lock(&t->lock);
	err = bind_range(b, start, end,
			 atomic_load(&t->nr_avoided) ? &t->others : NULL);
	sys_mutex_unlock(&t->lock);
	return err;
}

int uffd_bind_new(struct uffd *b, uintptr_t start, size_t len)
{
	struct uffd_nodes *t = &b->nodes;
	int err = 0;

	if (!atomic_load(&t->nr_avoided))
		return 0;
	sys_mutex_lock(&t->lock);
	if (atomic_load(&t->nr_avoided))
		err = sys_nodes_bind(start, len, &t->others);
	sys_mutex_unlock(&t->lock);
	return err;
}

void uffd_release(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_nodes *t = &b->nodes;

	if (!atomic_load(&t->nr_avoided))
		return;
	sys_mutex_lock(&t->lock);
	bind_range(b, start, end, NULL);
	sys_mutex_unlock(&t->lock);
}

static void avoid_node(struct uffd_nodes *t, int node,
		       const struct sys_nodes *all)
{
	t->before = t->others;
	if (!atomic_load(&t->nr_avoided))
		t->others = *all;
	sys_nodes_set(&t->others, node, false);
	atomic_fetch_add(&t->nr_avoided, 1);
}

static void allow_node(struct uffd_nodes *t, int node)
{
	t->before = t->others;
	sys_nodes_set(&t->others, node, true);
	atomic_fetch_sub(&t->nr_avoided, 1);
}

int uffd_avoid(struct mm *mm, int node, bool on)
{
	struct uffd_nodes *t = &to_uffd(mm)->nodes;
	struct sys_nodes all;
	int err = 0;

	if (on)
		err = sys_nodes_allowed(&all);
	if (!err && on && !sys_nodes_has(&all, node))
		err = -ENODEV;
	if (!err)
		err = sys_own_avoid(node, on);
	if (err)
		return err;
	sys_mutex_lock(&t->lock);
	if (on)
		avoid_node(t, node, &all);
	else
		allow_node(t, node);
	sys_mutex_unlock(&t->lock);
	return 0;
}
