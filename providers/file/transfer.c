// SPDX-License-Identifier: MIT
/*
 * transfer.c - reads and writes of many pages with few calls.
 *
 * Segments that follow each other in the file are one vector, wherever they are
 * in RAM.  For a read they are sorted first, since pages that left at different
 * times may come home together.  A read passes over a few pages between, into
 * memory that nobody looks at: a second call would cost more.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "file.h"

#define MOST_PARTS  128
#define MOST_SORTED 512

/* Pages that go with one call.  @part: where they are in RAM */
struct transfer {
	uint64_t dpfn;
	size_t npages;
	unsigned nr;
	struct iovec part[MOST_PARTS];
};

static void add_part(struct transfer *t, void *ram, size_t npages)
{
	t->part[t->nr++] = (struct iovec){ ram, bytes_of(npages) };
	t->npages += npages;
}

/*
 * The first of the @nr segments that go with one call.  @most_gap: pages that
 * may lie between two.  Return: how many segments.
 */
static size_t gather(const struct file *f, const struct uhmm_segment *seg,
		     size_t nr, uint64_t most_gap, struct transfer *ret)
{
	size_t n = 0;

	ret->dpfn = seg->dpfn;
	ret->npages = ret->nr = 0;
	while (n < nr && ret->nr + 2 <= MOST_PARTS) {
		uint64_t end = ret->dpfn + ret->npages;

		/* a segment that lies before @end is far away, too */
		if (seg[n].dpfn - end > most_gap)
			break;
		if (seg[n].dpfn > end)
			add_part(ret, f->unused, seg[n].dpfn - end);
		add_part(ret, seg[n].ram, seg[n].npages);
		n++;
	}
	return n;
}

/* @n bytes are done.  Return: the first part of @v with others. */
static struct iovec *skip(struct iovec *v, size_t n)
{
	for (; n && n >= v->iov_len; v++)
		n -= v->iov_len;
	if (n) {
		v->iov_base = (char *)v->iov_base + n;
		v->iov_len -= n;
	}
	return v;
}

static int error_of_write(int err)
{
	return err == EDQUOT || err == EFBIG ? -ENOSPC : -err;
}

static int run_transfer(const struct file *f, bool write, struct transfer *t)
{
	struct iovec *v = t->part, *end = v + t->nr;
	off_t at = (off_t)bytes_of(t->dpfn);

	while (v < end) {
		ssize_t n = write ? pwritev2(f->fd, v, (int)(end - v), at,
					     f->flags) :
				    preadv(f->fd, v, (int)(end - v), at);

		if (n < 0 && errno != EINTR)
			return write ? error_of_write(errno) : -errno;
		if (!n) /* read: the file was made shorter */
			return write ? -ENOSPC : -EIO;
		at += n < 0 ? 0 : n;
		v = skip(v, n < 0 ? 0 : (size_t)n);
	}
	return 0;
}

/* ---- Writes ------------------------------------------------------------- */

static int write_some(struct file *f, struct transfer *t)
{
	chunks_add(f, t->dpfn, t->npages);
	if (!file_may_reach(bytes_of(t->dpfn + t->npages)))
		return -ENOSPC;
	return run_transfer(f, true, t);
}

int transfer_write(struct file *f, const struct uhmm_segment *seg, size_t nr)
{
	struct transfer t;
	int err = 0;

	while (nr && !err) {
		size_t n = gather(f, seg, nr, 0, &t);

		err = write_some(f, &t);
		seg += n;
		nr -= n;
	}
	return err;
}

/* ---- Reads -------------------------------------------------------------- */

/* Shell sort, by the place in the file. */
static void sort_segments(struct uhmm_segment *seg, size_t nr)
{
	static const unsigned gaps[] = { 121, 40, 13, 4, 1 };

	for (size_t g = 0; g < sizeof(gaps) / sizeof(*gaps); g++)
		for (size_t i = gaps[g]; i < nr; i++) {
			struct uhmm_segment s = seg[i];
			size_t k = i;

			for (; k >= gaps[g] && seg[k - gaps[g]].dpfn > s.dpfn;
			     k -= gaps[g])
				seg[k] = seg[k - gaps[g]];
			seg[k] = s;
		}
}

static bool have_all(const struct file *f, const struct uhmm_segment *seg,
		     size_t nr)
{
	bool all = true;

	for (; nr; seg++, nr--)
		all = all && chunks_have(f, seg->dpfn, seg->npages);
	return all;
}

static int read_sorted(const struct file *f, const struct uhmm_segment *seg,
		       size_t nr)
{
	struct transfer t;
	int err = 0;

	while (nr && !err) {
		size_t n = gather(f, seg, nr, UNUSED_PAGES, &t);

		err = run_transfer(f, false, &t);
		seg += n;
		nr -= n;
	}
	return err;
}

/* Apart, for its stack: most reads have one segment. */
static __attribute__((noinline)) int
read_many(const struct file *f, const struct uhmm_segment *seg, size_t nr)
{
	struct uhmm_segment sorted[MOST_SORTED];
	int err = 0;

	while (nr && !err) {
		size_t n = nr < MOST_SORTED ? nr : MOST_SORTED;

		memcpy(sorted, seg, n * sizeof(*seg));
		sort_segments(sorted, n);
		err = read_sorted(f, sorted, n);
		seg += n;
		nr -= n;
	}
	return err;
}

int transfer_read(const struct file *f, const struct uhmm_segment *seg,
		  size_t nr)
{
	if (!have_all(f, seg, nr))
		return -EIO;
	return nr > 1 ? read_many(f, seg, nr) : read_sorted(f, seg, nr);
}
