// SPDX-License-Identifier: MIT
/* model.c - see model.h */
#include "model_int.h"

bool model_trace;

/* ---- The limit ---------------------------------------------- */

static void do_limit(struct model *m)
{
	struct world w = { .u = m->s->u, .mm = m->s->u->mm };
	uint64_t limit = model_below(m, 4) ? 64 + model_below(m, m->npages) : 0;

	TRACE("limit %ju\n", (uintmax_t)limit);
	if (!m->is_alone || m->s->is_unlimited)
		return;
	world_set_limit(&w, limit);
}

static void do_policy(struct model *m)
{
	uint64_t limit = atomic_load(&m->s->u->charge.root.tier[0].limit);
	int n = (int)model_below(m, 8), ret = 1;

	TRACE("policy %d\n", n);
	if (!m->is_alone || !limit)
		return;
	while (n-- && ret) {
		ret = policy_step(m->s->u);
		TRACE("  step: %d\n", ret);
	}
}

static void do_limits(struct model *m)
{
	if (model_below(m, 3))
		do_limit(m);
	else
		do_device_limit(m);
}

static void do_a_device(struct model *m)
{
	switch (model_below(m, 4)) {
	case 0:
		do_lose(m);
		break;
	case 1:
		do_fail(m);
		break;
	default:
		do_devices(m);
	}
}

/* ---- All of them -------------------------------------------------------- */

static void one_op(struct model *m, struct range r)
{
	static void (*const with_range[])(struct model *, struct range) = {
		do_out,	      do_out,	      do_out,	      do_out,
		do_home,      do_home,	      do_write,	      do_write,
		do_write,     do_write,	      do_read,	      do_read,
		do_read,      do_async,	      do_reg,	      do_unreg,
		do_pin_range, do_unpin_range, do_unpin_range, do_snap,
		do_discard,   do_unmap,	      do_remap,	      do_protect,
		do_map_over,  do_remap_onto,
	};
	size_t nr = sizeof(with_range) / sizeof(*with_range);
	size_t what = model_below(m, nr + 8);

	if (what >= nr + 5)
		do_policy(m);
	else if (what == nr + 4)
		do_limits(m);
	else if (what == nr + 3)
		do_a_device(m);
	else if (what >= nr)
		do_map(m);
	else
		with_range[what](m, r);
}

static bool needs_mapped(struct model *m, struct range r)
{
	return !model_all_mapped(m, r);
}

void model_step(struct model *m)
{
	struct range r = model_run_of(m, true);

	m->steps++;
	TRACE("%ju: ", (uintmax_t)m->steps);
	if (!r.n) {
		do_map(m);
		return;
	}
	if (!model_below(m, 20)) {
		r = model_some_range(m);
		if (needs_mapped(m, r)) {
			switch (model_below(m, 4)) {
			case 0:
				do_out(m, r);
				break;
			case 1:
				do_reg(m, r);
				break;
			case 2:
				do_pin_range(m, r);
				break;
			default:
				do_snap(m, r);
			}
			return;
		}
	}
	if (r.n)
		one_op(m, r);
	if (m->steps % 5 == 0 && model_all_mapped(m, r))
		do_device_writes(m, r.first, r.n);
	model_check_range(m, r);
	if (m->is_alone && m->steps % 32 == 0)
		model_check(m);
}

void model_init(struct model *m, struct space *s, size_t first, size_t npages,
		uint64_t seed, bool is_alone)
{
	model_trace = getenv("UHMM_TEST_TRACE") != NULL;
	memset(m, 0, sizeof(*m));
	m->s = s;
	m->first = first;
	m->npages = npages;
	m->seed = seed;
	m->is_alone = is_alone;
	m->bytes = calloc(npages, PAGE);
	m->page = calloc(npages, sizeof(*m->page));
	CHECK(m->bytes && m->page);
}

void model_fini(struct model *m)
{
	free(m->bytes);
	free(m->page);
}
