// SPDX-License-Identifier: MIT
/* checks.c - choices of a range, and what a page must be; see model.h */
#include "model_int.h"

struct page_model *model_page(struct model *m, size_t page)
{
	return &m->page[page - m->first];
}

unsigned char *model_bytes(struct model *m, size_t page)
{
	return m->bytes + (page - m->first) * PAGE;
}

void *model_addr(struct model *m, size_t page)
{
	return m->s->at(m->s, page);
}

/* ---- Choices ----------------------------------------------------------- */

size_t model_below(struct model *m, size_t n)
{
	return test_below(&m->seed, n);
}

static size_t any_length(struct model *m)
{
	switch (model_below(m, 6)) {
	case 0:
		return 1;
	case 1:
		return 1 + model_below(m, 8);
	case 2:
		return 1 + model_below(m, 64);
	case 3:
		return MM_BLOCK_PAGES;
	default:
		return 1 + model_below(m, 700);
	}
}

static struct range any_range(struct model *m)
{
	struct range r = { m->first + model_below(m, m->npages),
			   any_length(m) };
	size_t end = m->first + m->npages;

	if (r.n == MM_BLOCK_PAGES && r.first % MM_BLOCK_PAGES &&
	    (r.first & ~(size_t)(MM_BLOCK_PAGES - 1)) >= m->first)
		r.first &= ~(size_t)(MM_BLOCK_PAGES - 1);
	if (r.n > end - r.first)
		r.n = end - r.first;
	return r;
}

/* A range that is (@mapped) or is not; n == 0: there is none just there. */
struct range model_run_of(struct model *m, bool mapped)
{
	struct range r = any_range(m);
	size_t n = 0;

	while (r.n && model_page(m, r.first)->is_mapped != mapped) {
		r.first++;
		r.n--;
	}
	while (n < r.n && model_page(m, r.first + n)->is_mapped == mapped)
		n++;
	r.n = n;
	return r;
}

bool model_all_mapped(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		if (!model_page(m, i)->is_mapped)
			return false;
	return true;
}

/* Mostly a mapped range, at times one with holes. */
struct range model_some_range(struct model *m)
{
	return model_below(m, 12) ? model_run_of(m, true) : any_range(m);
}

/* Expected error for a range with holes; 0 when it has none. */
int model_hole_error(struct model *m, struct range r)
{
	if (model_all_mapped(m, r))
		return 0;
	return m->s->hole_is_error ? -ENOMEM : -EOPNOTSUPP;
}

/* ---- Checks ------------------------------------------------------------ */

void model_check_bytes(struct model *m, size_t page, const unsigned char *got)
{
	static const unsigned char zero[4096];

	if (!got)
		got = zero;
	if (!memcmp(got, model_bytes(m, page), PAGE))
		return;
	/* an event is told to the kernel's satisfaction before it is applied */
	for (int i = 0; m->s->is_real && m->is_alone && i < 1000; i++) {
		usleep(1000);
		got = m->s->u ? m->s->peek(m->s, page) : got;
		if (!memcmp(got, model_bytes(m, page), PAGE))
			return;
	}
	fprintf(stderr, "page %zu after step %ju:\n", page,
		(uintmax_t)m->steps);
	CHECK_MEM(got, model_bytes(m, page), PAGE);
}

void model_note_lost(struct model *m, size_t page)
{
	if (!m->s->one_in && !m->s->is_lossy && !model_page(m, page)->is_lost)
		fprintf(stderr, "page %zu is lost\n", page);
	CHECK(m->s->one_in || m->s->is_lossy || model_page(m, page)->is_lost);
	model_page(m, page)->is_lost = true;
}

void model_forget(struct model *m, size_t page)
{
	memset(model_bytes(m, page), 0, PAGE);
	model_page(m, page)->is_lost = false;
	model_page(m, page)->is_forgotten = false;
}

/* A lost page stays lost until it is discarded or unmapped. */
void model_check_not_lost(struct model *m, size_t page)
{
	if (!model_page(m, page)->is_lost)
		return;
	if (model_page(m, page)->is_forgotten) {
		model_forget(m, page);
		return;
	}
	fprintf(stderr, "page %zu was lost, and is back\n", page);
	test_fail();
}

static void check_page(struct model *m, size_t page)
{
	unsigned char buf[4096];
	int err;

	if (!model_page(m, page)->is_mapped)
		return;
	if (m->is_alone) {
		if (m->s->is_poisoned(m->s, page))
			model_note_lost(m, page);
		else
			model_check_not_lost(m, page);
		if (!model_page(m, page)->is_lost)
			model_check_bytes(m, page, m->s->peek(m->s, page));
		return;
	}
	err = m->s->read(m->s, page, 0, buf, PAGE);
	if (err == -EIO)
		model_note_lost(m, page);
	else
		CHECK_EQ(err, 0);
	if (!err)
		model_check_bytes(m, page, buf);
}

void model_check_range(struct model *m, struct range r)
{
	for (size_t i = r.first; i < r.first + r.n; i++)
		check_page(m, i);
}

void model_check(struct model *m)
{
	model_check_range(m, (struct range){ m->first, m->npages });
}

void model_check_closed(struct model *m)
{
	for (size_t i = m->first; i < m->first + m->npages; i++) {
		if (!model_page(m, i)->is_mapped)
			continue;
		if (m->s->is_poisoned(m->s, i))
			model_note_lost(m, i);
		if (!model_page(m, i)->is_lost)
			model_check_bytes(m, i, m->s->peek(m->s, i));
	}
}
