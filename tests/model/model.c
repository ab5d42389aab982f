// SPDX-License-Identifier: MIT
/* model.c - see model.h */
#include "model.h"

bool model_trace;

static struct page_model *page_of(struct model *m, size_t page)
{
	return &m->page[page - m->first];
}

struct page_model *model_page(struct model *m, size_t page)
{
	return page_of(m, page);
}

static unsigned char *bytes_of(struct model *m, size_t page)
{
	return m->bytes + (page - m->first) * PAGE;
}

static void *addr(struct model *m, size_t page)
{
	return m->s->at(m->s, page);
}

/* ---- Choices ----------------------------------------------------------- */

static size_t below(struct model *m, size_t n)
{
	return test_below(&m->seed, n);
}

size_t model_below(struct model *m, size_t n)
{
	return below(m, n);
}

static size_t any_length(struct model *m)
{
	switch (below(m, 6)) {
	case 0:
		return 1;
	case 1:
		return 1 + below(m, 8);
	case 2:
		return 1 + below(m, 64);
	case 3:
		return MM_BLOCK_PAGES;
	default:
		return 1 + below(m, 700);
	}
}

static struct range any_range(struct model *m)
{
	struct range r = { m->first + below(m, m->npages), any_length(m) };
	size_t end = m->first + m->npages;

	if (r.n == MM_BLOCK_PAGES && r.first % MM_BLOCK_PAGES &&
	    (r.first & ~(size_t)(MM_BLOCK_PAGES - 1)) >= m->first)
		r.first &= ~(size_t)(MM_BLOCK_PAGES - 1);
	if (r.n > end - r.first)
		r.n = end - r.first;
	return r;
}

/* A range that is (@mapped) or is not; n == 0: there is none just there. */
static struct range run_of(struct model *m, bool mapped)
{
	struct range r = any_range(m);
	size_t n = 0;

	while (r.n && page_of(m, r.first)->is_mapped != mapped) {
		r.first++;
		r.n--;
	}
	while (n < r.n && page_of(m, r.first + n)->is_mapped == mapped)
		n++;
	r.n = n;
	return r;
}

static bool all_mapped(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (!page_of(m, i)->is_mapped)
			return false;
	return true;
}

/* Mostly a mapped range, at times one with holes. */
static struct range some_range(struct model *m)
{
	return below(m, 12) ? run_of(m, true) : any_range(m);
}

/* Expected error for a range with holes; 0 when it has none. */
static int hole_error(struct model *m, struct range r)
{
	if (all_mapped(m, r))
		return 0;
	return m->s->hole_is_error ? -ENOMEM : -EOPNOTSUPP;
}

/* ---- Checks ------------------------------------------------------------ */

static void check_bytes(struct model *m, size_t page, const unsigned char *got)
{
	static const unsigned char zero[4096];

	if (!got)
		got = zero;
	if (!memcmp(got, bytes_of(m, page), PAGE))
		return;
	/* an event is told to the kernel's satisfaction before it is applied */
	for (int i = 0; m->s->is_real && m->is_alone && i < 1000; i++) {
		usleep(1000);
		got = m->s->u ? m->s->peek(m->s, page) : got;
		if (!memcmp(got, bytes_of(m, page), PAGE))
			return;
	}
	fprintf(stderr, "page %zu after step %ju:\n", page,
		(uintmax_t)m->steps);
	CHECK_MEM(got, bytes_of(m, page), PAGE);
}

static void note_lost(struct model *m, size_t page)
{
	if (!m->s->one_in && !m->s->is_lossy && !page_of(m, page)->is_lost)
		fprintf(stderr, "page %zu is lost\n", page);
	CHECK(m->s->one_in || m->s->is_lossy || page_of(m, page)->is_lost);
	page_of(m, page)->is_lost = true;
}

static void forget(struct model *m, size_t page)
{
	memset(bytes_of(m, page), 0, PAGE);
	page_of(m, page)->is_lost = false;
	page_of(m, page)->is_forgotten = false;
}

/* What was lost stays so, until it is discarded or unmapped. */
static void check_not_lost(struct model *m, size_t page)
{
	if (!page_of(m, page)->is_lost)
		return;
	if (page_of(m, page)->is_forgotten) {
		forget(m, page);
		return;
	}
	fprintf(stderr, "page %zu was lost, and is back\n", page);
	test_fail();
}

static void check_page(struct model *m, size_t page)
{
	unsigned char buf[4096];
	int err;

	if (!page_of(m, page)->is_mapped)
		return;
	if (m->is_alone) {
		if (m->s->is_poisoned(m->s, page))
			note_lost(m, page);
		else
			check_not_lost(m, page);
		if (!page_of(m, page)->is_lost)
			check_bytes(m, page, m->s->peek(m->s, page));
		return;
	}
	err = m->s->read(m->s, page, 0, buf, PAGE);
	if (err == -EIO)
		note_lost(m, page);
	else
		CHECK_EQ(err, 0);
	if (!err)
		check_bytes(m, page, buf);
}

static void check_range(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		check_page(m, i);
}

void model_check(struct model *m)
{
	check_range(m, (struct range){ m->first, m->npages });
}

void model_check_closed(struct model *m)
{
	for (size_t i = m->first; i < m->first + m->npages; i++) {
		if (!page_of(m, i)->is_mapped)
			continue;
		if (m->s->is_poisoned(m->s, i))
			note_lost(m, i);
		if (!page_of(m, i)->is_lost)
			check_bytes(m, i, m->s->peek(m->s, i));
	}
}

/* ---- The CPU ----------------------------------------------------------- */

static bool any_readonly(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (page_of(m, i)->is_readonly)
			return true;
	return false;
}

static void write_page(struct model *m, size_t page)
{
	unsigned char buf[256];
	size_t len = 1 + below(m, sizeof(buf));
	size_t off = below(m, PAGE - len + 1);
	int err;

	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)test_random(&m->seed);
	err = m->s->write(m->s, page, off, buf, len);
	if (err == -EIO) {
		note_lost(m, page);
		return;
	}
	CHECK_EQ(err, 0);
	check_not_lost(m, page);
	memcpy(bytes_of(m, page) + off, buf, len);
}

static void do_write(struct model *m, struct range r)
{
	size_t stride = below(m, 3) ? 1 : 1 + below(m, 7);

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
		note_lost(m, page);
		return;
	}
	CHECK_EQ(err, 0);
	check_not_lost(m, page);
	check_bytes(m, page, buf);
}

static void do_read(struct model *m, struct range r)
{
	bool backwards = !below(m, 4);
	size_t stride = below(m, 3) ? 1 : 1 + below(m, 7);

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
	CHECK_EQ(uhmm_snapshot(m->s->u, addr(m, page), PAGE, &pfn), 0);
	CHECK_EQ(uhmm_pfn_device(pfn), info.id);
	CHECK(uhmm_pfn_dpfn(pfn) < info.npages);
}

static void check_refusal(struct model *m, size_t page, unsigned d,
			  enum uhmm_why why, size_t n)
{
	struct page_model *p = page_of(m, page);

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
	if (page_of(m, page)->is_lost && why == UHMM_WHY_POISONED)
		return;
	CHECK_EQ(why, UHMM_WHY_NO_ROOM);
	CHECK(device_is_full(m->s, d, n));
}

static void do_out(struct model *m, struct range r)
{
	unsigned d = (unsigned)below(m, NR_DEVICES);
	uint8_t why[4096];
	ssize_t n, ok = 0;

	if (!m->s->dev[d])
		return;
	n = uhmm_migrate_why(m->s->u, addr(m, r.first), r.n * PAGE,
			     m->s->dev[d], why);
	TRACE("out %zu+%zu to %u: %zd\n", r.first, r.n, d, n);
	if (device_is_lost(m->s->dev[d])) {
		CHECK(n == -ENODEV || !m->is_alone || hole_error(m, r));
		return;
	}
	if (hole_error(m, r)) {
		CHECK(n == hole_error(m, r) || n >= 0);
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

	CHECK_EQ(uhmm_snapshot(m->s->u, addr(m, page), PAGE, &pfn), 0);
	return uhmm_pfn_device(pfn) != 0;
}

static void do_home(struct model *m, struct range r)
{
	uint8_t why[4096];
	ssize_t n, ok = 0;

	n = uhmm_migrate_why(m->s->u, addr(m, r.first), r.n * PAGE, NULL, why);
	TRACE("home %zu+%zu: %zd\n", r.first, r.n, n);
	if (hole_error(m, r)) {
		CHECK(n == hole_error(m, r) || n >= 0);
		return;
	}
	CHECK(n >= 0);
	for (size_t i = 0; i < r.n; i++) {
		ok += why[i] == UHMM_WHY_OK;
		if (page_of(m, r.first + i)->is_lost)
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
static void do_async(struct model *m, struct range r)
{
	unsigned d = (unsigned)below(m, NR_DEVICES + 1);
	struct uhmm_device *dev = d < NR_DEVICES ? m->s->dev[d] : NULL;
	struct pollfd fd = { .fd = uhmm_fd(m->s->u), .events = POLLIN };
	struct uhmm_completion c[2] = { { .size = sizeof(*c) } };

	TRACE("async %zu+%zu to %u\n", r.first, r.n, d);
	if (!m->is_alone || hole_error(m, r))
		return;
	CHECK_EQ(uhmm_migrate_start(m->s->u, addr(m, r.first), r.n * PAGE, dev,
				    r.first),
		 0);
	if (below(m, 2))
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

static void do_reg(struct model *m, struct range r)
{
	int err = uhmm_register(m->s->u, addr(m, r.first), r.n * PAGE);

	TRACE("register %zu+%zu: %d\n", r.first, r.n, err);
	CHECK_EQ(err, hole_error(m, r));
}

static bool any_pinned(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (page_of(m, i)->pins)
			return true;
	return false;
}

static void do_unreg(struct model *m, struct range r)
{
	int err;

	if (m->s->is_inline && m->s->is_lossy)
		return; /* the model does not know which pages are lost */
	err = uhmm_unregister(m->s->u, addr(m, r.first), r.n * PAGE);
	TRACE("unregister %zu+%zu: %d\n", r.first, r.n, err);
	if (any_pinned(m, r))
		CHECK_EQ(err, -EBUSY);
	else
		CHECK(!err || (err == -EIO && m->s->one_in) ||
		      (err == -EBUSY && may_be_stuck(m)));
	for (size_t i = r.first; i < r.first + r.n && m->s->is_inline; i++)
		page_of(m, i)->is_forgotten = page_of(m, i)->is_lost;
}

static bool may_be_lost(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (page_of(m, i)->is_lost)
			return true;
	return m->s->one_in || m->s->is_lossy;
}

static void do_pin_range(struct model *m, struct range r)
{
	int err = uhmm_pin(m->s->u, addr(m, r.first), r.n * PAGE);

	TRACE("pin %zu+%zu: %d\n", r.first, r.n, err);
	if (hole_error(m, r)) {
		CHECK_EQ(err, hole_error(m, r));
		return;
	}
	/* a lost page that was unregistered since is not known to be */
	CHECK(!err || (err == -EIO && may_be_lost(m, r)) ||
	      (err == -EBUSY && may_be_stuck(m)));
	for (size_t i = r.first; i < r.first + r.n && !err; i++)
		page_of(m, i)->pins++;
}

static void do_unpin_range(struct model *m, struct range r)
{
	bool all = true;
	int err;

	/* mostly what is pinned, or nothing would ever be free again */
	while (r.n && below(m, 8) && !page_of(m, r.first)->pins) {
		r.first++;
		r.n--;
	}
	for (size_t i = 0; i < r.n && below(m, 16); i++)
		if (!page_of(m, r.first + i)->pins)
			r.n = i;
	if (!r.n)
		return;
	for (size_t i = r.first; i < r.first + r.n; i++)
		all = all && page_of(m, i)->pins;
	err = uhmm_unpin(m->s->u, addr(m, r.first), r.n * PAGE);
	TRACE("unpin %zu+%zu: %d\n", r.first, r.n, err);
	/* what is not managed any more is skipped */
	CHECK(!err || (err == -EINVAL && !all));
	for (size_t i = r.first; i < r.first + r.n && !err; i++)
		page_of(m, i)->pins -= page_of(m, i)->pins > 0;
}

static void do_snap(struct model *m, struct range r)
{
	uhmm_pfn_t pfn[4096];
	int err = uhmm_snapshot(m->s->u, addr(m, r.first), r.n * PAGE, pfn);

	TRACE("snapshot %zu+%zu: %d\n", r.first, r.n, err);
	if (hole_error(m, r) && m->s->hole_is_error) {
		CHECK_EQ(err, -ENOMEM);
		return;
	}
	CHECK_EQ(err, 0);
	for (size_t i = 0; i < r.n && m->is_alone; i++) {
		struct page_model *p = page_of(m, r.first + i);

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

static void do_discard(struct model *m, struct range r)
{
	TRACE("discard %zu+%zu\n", r.first, r.n);
	m->s->discard(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++)
		forget(m, i);
}

static void do_unmap(struct model *m, struct range r)
{
	if (below(m, 3))
		return;
	TRACE("unmap %zu+%zu\n", r.first, r.n);
	m->s->unmap(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++) {
		forget(m, i);
		*page_of(m, i) = (struct page_model){ .is_mapped = false };
	}
}

static void do_map(struct model *m)
{
	struct range r = run_of(m, false);

	if (!r.n)
		return;
	TRACE("map %zu+%zu\n", r.first, r.n);
	m->s->map(m->s, r.first, r.n);
	for (size_t i = r.first; i < r.first + r.n; i++)
		page_of(m, i)->is_mapped = true;
}

static void do_protect(struct model *m, struct range r)
{
	bool on = below(m, 2);

	TRACE("protect %zu+%zu: %d\n", r.first, r.n, on);
	m->s->protect(m->s, r.first, r.n, on);
	for (size_t i = r.first; i < r.first + r.n; i++)
		page_of(m, i)->is_readonly = on;
}

static void do_remap(struct model *m, struct range r)
{
	struct range to = run_of(m, false);

	if (to.n > r.n)
		to.n = r.n;
	if (!to.n)
		return;
	TRACE("remap %zu+%zu to %zu\n", r.first, to.n, to.first);
	m->s->remap(m->s, r.first, to.first, to.n);
	for (size_t i = 0; i < to.n; i++) {
		memcpy(bytes_of(m, to.first + i), bytes_of(m, r.first + i),
		       PAGE);
		*page_of(m, to.first + i) = *page_of(m, r.first + i);
		forget(m, r.first + i);
		*page_of(m, r.first + i) =
			(struct page_model){ .is_mapped = false };
	}
	check_range(m, to);
}

/* ---- The limit ---------------------------------------------- */

static void do_limit(struct model *m)
{
	struct world w = { .u = m->s->u, .mm = m->s->u->mm };
	uint64_t limit = below(m, 4) ? 64 + below(m, m->npages) : 0;

	TRACE("limit %ju\n", (uintmax_t)limit);
	if (!m->is_alone || m->s->is_unlimited)
		return;
	world_set_limit(&w, limit);
}

static void do_policy(struct model *m)
{
	uint64_t limit = atomic_load(&m->s->u->charge.root.tier[0].limit);
	int n = (int)below(m, 8), ret = 1;

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
	if (below(m, 3))
		do_limit(m);
	else
		do_device_limit(m);
}

static void do_a_device(struct model *m)
{
	switch (below(m, 4)) {
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
	};
	size_t nr = sizeof(with_range) / sizeof(*with_range);
	size_t what = below(m, nr + 8);

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
	return !all_mapped(m, r);
}

void model_step(struct model *m)
{
	struct range r = run_of(m, true);

	m->steps++;
	TRACE("%ju: ", (uintmax_t)m->steps);
	if (!r.n) {
		do_map(m);
		return;
	}
	if (!below(m, 20)) {
		r = some_range(m);
		if (needs_mapped(m, r)) {
			switch (below(m, 4)) {
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
	if (m->steps % 5 == 0 && all_mapped(m, r))
		do_device_writes(m, r.first, r.n);
	check_range(m, r);
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
