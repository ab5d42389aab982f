// SPDX-License-Identifier: MIT
/*
 * devices.c - devices come, go, are lost and fail.
 *
 * Alone, the model knows which pages that costs: those that uhmm_snapshot()
 * had there a moment before.  With others at work any page may be among them.
 */
#include "model.h"

/* Pages may be demoted there, too. */
static void add_node(struct space *s)
{
	static const struct uhmm_device_ops ops = {
		.size = sizeof(ops),
		.release = store_release,
	};
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "node",
		.type = UHMM_MEMORY_DEVICE_COHERENT,
		.flags = UHMM_DEVICE_NODE,
		.node = NODE,
		.npages = s->room[NODE_DEVICE],
		.ops = &ops,
	};
	struct store *store = &s->store[NODE_DEVICE];

	memset(store, 0, sizeof(*store));
	CHECK_EQ(uhmm_device_add(s->u, &desc, store, &s->dev[NODE_DEVICE]), 0);
	CHECK_EQ(uhmm_device_tier(s->dev[NODE_DEVICE], true), 0);
	s->limit[NODE_DEVICE] = 0;
}

void space_add_device(struct space *s, unsigned i)
{
	if (i == NODE_DEVICE) {
		if (s->room[i])
			add_node(s);
		return;
	}
	s->dev[i] = store_add(s->u, &s->store[i], s->kind[i], s->room[i]);
	s->store[i].one_in = s->one_in;
	s->store[i].seed = i;
	s->limit[i] = 0;
}

static struct uhmm_device_info info_of(struct uhmm_device *dev)
{
	struct uhmm_device_info info = { .size = sizeof(info) };

	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	return info;
}

bool device_is_full(const struct space *s, unsigned d, uint64_t given_up)
{
	struct uhmm_device_info info = info_of(s->dev[d]);

	info.used -= (uint64_t)atomic_load(&s->dev[d]->twins); /* given up */
	return info.lost || info.used + info.failed + given_up >= s->room[d] ||
	       (s->limit[d] && info.used + given_up >= s->limit[d]);
}

/* A device that is there, or NR_DEVICES. */
static unsigned any_device(struct model *m)
{
	unsigned d = (unsigned)model_below(m, NR_DEVICES);

	return m->s->dev[d] && (m->is_alone || m->s->is_lossy) ? d : NR_DEVICES;
}

/* ---- Added and removed ------------------------------------------------- */

void do_devices(struct model *m)
{
	unsigned d = (unsigned)model_below(m, NR_DEVICES);
	int err;

	if (!m->is_alone)
		return;
	if (!m->s->dev[d]) {
		TRACE("add device %u\n", d);
		space_add_device(m->s, d);
		return;
	}
	err = uhmm_device_remove(m->s->dev[d]);
	TRACE("remove device %u: %d\n", d, err);
	CHECK(!err || (err == -EBUSY && may_be_stuck(m)));
	if (!err) {
		CHECK(m->s->store[d].is_released);
		m->s->dev[d] = NULL;
	}
}

/* ---- Lost and failed --------------------------------------------------- */

/* A frame has what the device has: see src/core/page/kept.c. */
static bool is_kept(struct model *m, size_t page)
{
	uintptr_t va = (uintptr_t)m->s->at(m->s, page);
	struct block *b = block_find(m->s->u, va);
	bool kept;

	if (!b)
		return false;
	block_lock(b);
	kept = kept_has(m->s->u, b, page_index(va));
	block_unlock(m->s->u, b);
	return kept;
}

/* Pages [@first, @last) of device @id will be no more. */
static void expect_loss(struct model *m, unsigned id, uint64_t first,
			uint64_t last)
{
	static uhmm_pfn_t pfn[8 * MM_BLOCK_PAGES];

	CHECK(m->npages <= 8 * MM_BLOCK_PAGES);
	for (size_t i = 0; i < m->npages; i++) {
		struct page_model *p = model_page(m, m->first + i);

		if (!p->is_mapped)
			continue;
		CHECK_EQ(uhmm_snapshot(m->s->u, m->s->at(m->s, m->first + i),
				       PAGE, &pfn[i]),
			 0);
		if (uhmm_pfn_device(pfn[i]) == id &&
		    uhmm_pfn_dpfn(pfn[i]) >= first &&
		    uhmm_pfn_dpfn(pfn[i]) < last && !is_kept(m, m->first + i))
			p->is_lost = true;
	}
}

void do_lose(struct model *m)
{
	unsigned d = any_device(m);
	struct uhmm_device_info info;

	if (d == NR_DEVICES)
		return;
	if (d == NODE_DEVICE) {
		CHECK_EQ(uhmm_device_lost(m->s->dev[d]), -EOPNOTSUPP);
		return;
	}
	info = info_of(m->s->dev[d]);
	TRACE("lose device %u\n", d);
	if (m->is_alone)
		expect_loss(m, info.id, 0, UINT64_MAX);
	atomic_store(&m->s->store[d].is_lost, true);
	CHECK_EQ(uhmm_device_lost(m->s->dev[d]), 0);
	CHECK_EQ(info_of(m->s->dev[d]).lost, 1);
	if (!m->is_alone)
		return;
	atomic_store(&m->s->store[d].is_gone, true);
	if (!m->s->is_real)
		CHECK(m->s->store[d].is_released);
}

void do_fail(struct model *m)
{
	unsigned d = any_device(m);
	struct uhmm_device_info info;
	uint64_t first, n;
	int err;

	if (d == NR_DEVICES || d == NODE_DEVICE)
		return;
	info = info_of(m->s->dev[d]);
	first = model_below(m, m->s->room[d]);
	n = 1 + model_below(m, m->s->room[d] - first < 20 ?
				       m->s->room[d] - first :
				       20);
	if (m->is_alone && !info.lost)
		expect_loss(m, info.id, first, first + n);
	err = uhmm_device_failed(m->s->dev[d], first, n);
	TRACE("fail device %u %ju+%ju: %d\n", d, (uintmax_t)first, (uintmax_t)n,
	      err);
	if (info.lost)
		CHECK_EQ(err, -ENODEV);
	else
		CHECK(!err || (err == -ENODEV && !m->is_alone));
	if (!err)
		CHECK(info_of(m->s->dev[d]).failed >= n);
}

/* ---- Limited ----------------------------------------------------------- */

void do_device_limit(struct model *m)
{
	unsigned d = any_device(m);
	uint64_t limit;

	if (d == NR_DEVICES || !m->is_alone)
		return;
	limit = model_below(m, 3) ? 1 + model_below(m, m->s->room[d]) : 0;
	TRACE("limit device %u: %ju\n", d, (uintmax_t)limit);
	CHECK_EQ(uhmm_group_set_limit(uhmm_group_root(m->s->u), m->s->dev[d],
				      limit * PAGE),
		 0);
	m->s->limit[d] = limit;
}

/* ---- Written to -------------------------------------------------------- */

/* Entries of one range; a mirror of all addresses is told of others, too. */
struct entries {
	uintptr_t start;
	size_t n;
	uhmm_pfn_t pfn[8 * MM_BLOCK_PAGES];
};

static int note_entries(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
			size_t npages)
{
	struct entries *e = priv;

	CHECK(start >= e->start &&
	      start + npages * PAGE <= e->start + e->n * PAGE);
	memcpy(e->pfn + (start - e->start) / PAGE, pfns,
	       npages * sizeof(*pfns));
	return 0;
}

static void forget_entries(void *priv, uintptr_t start, uintptr_t end,
			   enum uhmm_notify why)
{
	struct entries *e = priv;

	(void)why;
	for (size_t i = 0; i < e->n; i++)
		if (e->start + i * PAGE >= start && e->start + i * PAGE < end)
			e->pfn[i] = 0;
}

static void write_entry(struct model *m, unsigned d, size_t page,
			uhmm_pfn_t pfn)
{
	struct store *s = &m->s->store[d];
	unsigned char byte = (unsigned char)(m->steps + page);
	size_t off = (m->steps * 37 + page) % PAGE;

	if (!(pfn & UHMM_PFN_WRITE) ||
	    uhmm_pfn_device(pfn) != info_of(m->s->dev[d]).id)
		return;
	CHECK(!is_kept(m, page));
	CHECK(!model_page(m, page)->is_readonly);
	s->data[uhmm_pfn_dpfn(pfn) * PAGE + off] = byte;
	m->bytes[(page - m->first) * PAGE + off] = byte;
}

/* The device writes to what of the range it has: model_check() sees that. */
void do_device_writes(struct model *m, size_t first, size_t n)
{
	static const struct uhmm_mirror_ops ops = {
		.size = sizeof(ops),
		.map = note_entries,
		.invalidate = forget_entries,
	};
	static struct entries e;
	unsigned d = (unsigned)(m->steps % NR_TELLING);
	struct uhmm_device *dev = m->s->dev[d];
	struct uhmm_mirror *mirror;
	unsigned flags = UHMM_FAULT_PRESENT | UHMM_FAULT_WRITE;

	if (!m->is_alone || !m->s->is_unlimited || !dev || device_is_lost(dev))
		return;
	memset(&e, 0, sizeof(e));
	e.start = (uintptr_t)m->s->at(m->s, first);
	e.n = n;
	CHECK_EQ(uhmm_mirror_add(m->s->u, NULL, 0, dev, &ops, &e, &mirror), 0);
	uhmm_mirror_fault(mirror, (void *)e.start, n * PAGE, flags);
	for (size_t i = 0; i < n; i++)
		write_entry(m, d, first + i, e.pfn[i]);
	/* and some of it comes home, of which it has to be told */
	uhmm_migrate(m->s->u, m->s->at(m->s, first + n / 2), (n - n / 2) * PAGE,
		     NULL);
	for (size_t i = n / 2; i < n && m->s->is_exact; i++)
		CHECK(uhmm_pfn_device(e.pfn[i]) == 0);
	CHECK_EQ(uhmm_mirror_remove(mirror), 0);
}
