// SPDX-License-Identifier: MIT
/* ops.c - operations on a range, here and in the model; see model.h */
#include "model_int.h"

/* ---- The CPU ----------------------------------------------------------- */

static bool any_readonly(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (model_page(m, i)->is_readonly)
			return true;
	return false;
}

static void write_page(struct model *m, size_t page)
{
	unsigned char buf[256];
	size_t len = 1 + model_below(m, sizeof(buf));
	size_t off = model_below(m, PAGE - len + 1);
	int err;

	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)test_random(&m->seed);
	err = m->s->write(m->s, page, off, buf, len);
	if (err == -EIO) {
		model_note_lost(m, page);
		return;
	}
	CHECK_EQ(err, 0);
	model_check_not_lost(m, page);
	memcpy(model_bytes(m, page) + off, buf, len);
}

void do_write(struct model *m, struct range r)
{
	size_t stride = model_below(m, 3) ? 1 : 1 + model_below(m, 7);

	TRACE("write %zu+%zu/%zu\n", r.first, r.n, stride);
	if (any_readonly(m, r))
		return;
	for (size_t i = r.first; i < r.first + r.n; i += stride)
		write_page(m, i);
}

static void read_page(struct model *m, size_t page)
{
	unsigned char buf[4096];
	int err = m->s->read(m->s, page, 0, buf, PAGE);

	if (err == -EIO) {
		model_note_lost(m, page);
		return;
	}
	CHECK_EQ(err, 0);
	model_check_not_lost(m, page);
	model_check_bytes(m, page, buf);
}

void do_read(struct model *m, struct range r)
{
	bool backwards = !model_below(m, 4);
	size_t stride = model_below(m, 3) ? 1 : 1 + model_below(m, 7);

	TRACE("read %zu+%zu/%zu%s\n", r.first, r.n, stride,
	      backwards ? " backwards" : "");
	for (size_t i = 0; i < r.n; i += stride)
		read_page(m, r.first + (backwards ? r.n - 1 - i : i));
}

/* ---- Moves ------------------------------------------------------------- */

static void check_gone(struct model *m, size_t page, unsigned d)
{
	uhmm_pfn_t pfn;
	struct uhmm_device_info info = { .size = sizeof(info) };

	if (!m->is_alone)
		return;
	CHECK_EQ(uhmm_device_query(m->s->dev[d], &info), 0);
	CHECK_EQ(uhmm_snapshot(m->s->u, model_addr(m, page), PAGE, &pfn), 0);
	CHECK_EQ(uhmm_pfn_device(pfn), info.id);
	CHECK(uhmm_pfn_dpfn(pfn) < info.npages);
}

static void check_refusal(struct model *m, size_t page, unsigned d,
			  enum uhmm_why why, size_t n)
{
	struct page_model *p = model_page(m, page);

	if (p->pins) /* or all of it was, as others kept changing it */
		CHECK(why == UHMM_WHY_PINNED ||
		      (why == UHMM_WHY_BUSY && !m->is_alone));
	if (!m->s->is_exact || !m->is_alone || p->pins)
		return;
	/* nothing can be made to be in a mapping that is read-only */
	if (d == NODE_DEVICE && why == UHMM_WHY_BUSY)
		return;
	if (why != UHMM_WHY_NO_ROOM && why != UHMM_WHY_POISONED)
		fprintf(stderr, "page %zu: %s\n", page, uhmm_why_name(why));
	if (model_page(m, page)->is_lost && why == UHMM_WHY_POISONED)
		return;
	CHECK_EQ(why, UHMM_WHY_NO_ROOM);
	CHECK(device_is_full(m->s, d, n));
}

void do_out(struct model *m, struct range r)
{
	unsigned d = (unsigned)model_below(m, NR_DEVICES);
	uint8_t why[4096];
	ssize_t n, ok = 0;

	if (!m->s->dev[d])
		return;
	n = uhmm_migrate_why(m->s->u, model_addr(m, r.first), r.n * PAGE,
			     m->s->dev[d], why);
	TRACE("out %zu+%zu to %u: %zd\n", r.first, r.n, d, n);
	if (device_is_lost(m->s->dev[d])) {
		CHECK(n == -ENODEV || !m->is_alone || model_hole_error(m, r));
		return;
	}
	if (model_hole_error(m, r)) {
		CHECK(n == model_hole_error(m, r) || n >= 0);
		return;
	}
	CHECK(n >= 0);
	for (size_t i = 0; i < r.n; i++) {
		ok += why[i] == UHMM_WHY_OK;
		if (why[i] == UHMM_WHY_OK)
			check_gone(m, r.first + i, d);
		else
			check_refusal(m, r.first + i, d, why[i], r.n);
	}
	CHECK_EQ(ok, n);
}

static bool is_away(struct model *m, size_t page)
{
	uhmm_pfn_t pfn;

	CHECK_EQ(uhmm_snapshot(m->s->u, model_addr(m, page), PAGE, &pfn), 0);
	return uhmm_pfn_device(pfn) != 0;
}

void do_home(struct model *m, struct range r)
{
	uint8_t why[4096];
	ssize_t n, ok = 0;

	n = uhmm_migrate_why(m->s->u, model_addr(m, r.first), r.n * PAGE, NULL,
			     why);
	TRACE("home %zu+%zu: %zd\n", r.first, r.n, n);
	if (model_hole_error(m, r)) {
		CHECK(n == model_hole_error(m, r) || n >= 0);
		return;
	}
	CHECK(n >= 0);
	for (size_t i = 0; i < r.n; i++) {
		ok += why[i] == UHMM_WHY_OK;
		if (model_page(m, r.first + i)->is_lost)
			CHECK(why[i] == UHMM_WHY_POISONED || !m->is_alone ||
			      why[i] == UHMM_WHY_OK);
		else if (why[i] != UHMM_WHY_OK) /* or demoted again by now */
			CHECK(may_be_stuck(m) || !m->is_alone);
		else if (m->is_alone)
			CHECK(!is_away(m, r.first + i));
	}
	CHECK_EQ(ok, n);
}

/* In the background, while the CPU goes on. */
void do_async(struct model *m, struct range r)
{
	unsigned d = (unsigned)model_below(m, NR_DEVICES + 1);
	struct uhmm_device *dev = d < NR_DEVICES ? m->s->dev[d] : NULL;
	struct pollfd fd = { .fd = uhmm_fd(m->s->u), .events = POLLIN };
	struct uhmm_completion c[2] = { { .size = sizeof(*c) } };

	TRACE("async %zu+%zu to %u\n", r.first, r.n, d);
	if (!m->is_alone || model_hole_error(m, r))
		return;
	CHECK_EQ(uhmm_migrate_start(m->s->u, model_addr(m, r.first), r.n * PAGE,
				    dev, r.first),
		 0);
	if (model_below(m, 2))
		do_read(m, r);
	else
		do_write(m, r);
	CHECK_EQ(poll(&fd, 1, 20000), 1);
	CHECK_EQ(uhmm_complete(m->s->u, c, 2), 1);
	CHECK_EQ(c[0].cookie, r.first);
	if (dev && device_is_lost(dev))
		CHECK_EQ(c[0].result, -ENODEV);
	else
		CHECK(c[0].result >= 0 && c[0].result <= (int64_t)r.n);
	CHECK_EQ(poll(&fd, 1, 0), 0);
}

/* ---- Ranges and pins --------------------------------------------------- */

void do_reg(struct model *m, struct range r)
{
	int err = uhmm_register(m->s->u, model_addr(m, r.first), r.n * PAGE);

	TRACE("register %zu+%zu: %d\n", r.first, r.n, err);
	CHECK_EQ(err, model_hole_error(m, r));
}

static bool any_pinned(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (model_page(m, i)->pins)
			return true;
	return false;
}

void do_unreg(struct model *m, struct range r)
{
	int err;

	if (m->s->is_inline && m->s->is_lossy)
		return; /* the model does not know which pages are lost */
	err = uhmm_unregister(m->s->u, model_addr(m, r.first), r.n * PAGE);
	TRACE("unregister %zu+%zu: %d\n", r.first, r.n, err);
	if (any_pinned(m, r))
		CHECK_EQ(err, -EBUSY);
	else
		CHECK(!err || (err == -EIO && m->s->one_in) ||
		      (err == -EBUSY && may_be_stuck(m)));
	for (size_t i = r.first; i < r.first + r.n && m->s->is_inline; i++)
		model_page(m, i)->is_forgotten = model_page(m, i)->is_lost;
}

static bool may_be_lost(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (model_page(m, i)->is_lost)
			return true;
	return m->s->one_in || m->s->is_lossy;
}

void do_pin_range(struct model *m, struct range r)
{
	int err = uhmm_pin(m->s->u, model_addr(m, r.first), r.n * PAGE);

	TRACE("pin %zu+%zu: %d\n", r.first, r.n, err);
	if (model_hole_error(m, r)) {
		CHECK_EQ(err, model_hole_error(m, r));
		return;
	}
	/* a lost page that was unregistered since is not known to be */
	CHECK(!err || (err == -EIO && may_be_lost(m, r)) ||
	      (err == -EBUSY && may_be_stuck(m)));
	for (size_t i = r.first; i < r.first + r.n && !err; i++)
		model_page(m, i)->pins++;
}

void do_unpin_range(struct model *m, struct range r)
{
	bool all = true;
	int err;

	/* mostly what is pinned, or nothing would ever be free again */
	while (r.n && model_below(m, 8) && !model_page(m, r.first)->pins) {
		r.first++;
		r.n--;
	}
	for (size_t i = 0; i < r.n && model_below(m, 16); i++)
		if (!model_page(m, r.first + i)->pins)
			r.n = i;
	if (!r.n)
		return;
	for (size_t i = r.first; i < r.first + r.n; i++)
		all = all && model_page(m, i)->pins;
	err = uhmm_unpin(m->s->u, model_addr(m, r.first), r.n * PAGE);
	TRACE("unpin %zu+%zu: %d\n", r.first, r.n, err);
	/* what is not managed any more is skipped */
	CHECK(!err || (err == -EINVAL && !all));
	for (size_t i = r.first; i < r.first + r.n && !err; i++)
		model_page(m, i)->pins -= model_page(m, i)->pins > 0;
}

void do_snap(struct model *m, struct range r)
{
	uhmm_pfn_t pfn[4096];
	int err =
		uhmm_snapshot(m->s->u, model_addr(m, r.first), r.n * PAGE, pfn);

	TRACE("snapshot %zu+%zu: %d\n", r.first, r.n, err);
	if (model_hole_error(m, r) && m->s->hole_is_error) {
		CHECK_EQ(err, -ENOMEM);
		return;
	}
	CHECK_EQ(err, 0);
	for (size_t i = 0; i < r.n && m->is_alone; i++) {
		struct page_model *p = model_page(m, r.first + i);

		if (!p->is_mapped)
			continue;
		CHECK_EQ(!!(pfn[i] & UHMM_PFN_PINNED), p->pins > 0);
		if (p->pins)
			CHECK_EQ(uhmm_pfn_device(pfn[i]), 0);
		if (uhmm_pfn_device(pfn[i]))
			CHECK(pfn[i] & UHMM_PFN_VALID);
	}
}

/* ---- What the application does ------------------------------------------ */

void do_discard(struct model *m, struct range r)
{
	TRACE("discard %zu+%zu\n", r.first, r.n);
	m->s->discard(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++)
		model_forget(m, i);
}

void do_unmap(struct model *m, struct range r)
{
	if (model_below(m, 3))
		return;
	TRACE("unmap %zu+%zu\n", r.first, r.n);
	m->s->unmap(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++) {
		model_forget(m, i);
		*model_page(m, i) = (struct page_model){ .is_mapped = false };
	}
}

void do_map(struct model *m)
{
	struct range r = model_run_of(m, false);

	if (!r.n)
		return;
	TRACE("map %zu+%zu\n", r.first, r.n);
	m->s->map(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++)
		model_page(m, i)->is_mapped = true;
}

void do_protect(struct model *m, struct range r)
{
	bool on = model_below(m, 2);

	TRACE("protect %zu+%zu: %d\n", r.first, r.n, on);
	m->s->protect(m->s, r.first, r.n, on);
	for (size_t i = r.first; i < r.first + r.n; i++)
		model_page(m, i)->is_readonly = on;
}

/* The pages from @from on are at @to now, in place of those that were there. */
static void note_moved(struct model *m, size_t from, struct range to)
{
	for (size_t i = 0; i < to.n; i++) {
		memcpy(model_bytes(m, to.first + i), model_bytes(m, from + i),
		       PAGE);
		*model_page(m, to.first + i) = *model_page(m, from + i);
		model_forget(m, from + i);
		*model_page(m, from + i) =
			(struct page_model){ .is_mapped = false };
	}
	model_check_range(m, to);
}

void do_remap(struct model *m, struct range r)
{
	struct range to = model_run_of(m, false);

	if (to.n > r.n)
		to.n = r.n;
	if (!to.n)
		return;
	TRACE("remap %zu+%zu to %zu\n", r.first, to.n, to.first);
	m->s->remap(m->s, r.first, to.first, to.n);
	note_moved(m, r.first, to);
}

/* Half of a range goes onto the other half: mostly few pages. */
void do_remap_onto(struct model *m, struct range r)
{
	size_t n = 1 + model_below(m, 20), from = r.first;
	struct range to;

	if (n > r.n / 2)
		n = r.n / 2;
	if (!n)
		return;
	to = (struct range){ r.first + n, n };
	if (model_below(m, 2)) {
		from = to.first;
		to.first = r.first;
	}
	TRACE("remap %zu+%zu onto %zu\n", from, n, to.first);
	m->s->remap_onto(m->s, from, to.first, n);
	note_moved(m, from, to);
}

void do_map_over(struct model *m, struct range r)
{
	if (r.n > 40)
		r.n = 1 + model_below(m, 40);
	TRACE("map over %zu+%zu\n", r.first, r.n);
	m->s->map_over(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++) {
		model_forget(m, i);
		*model_page(m, i) = (struct page_model){ .is_mapped = true };
	}
}
