/* SPDX-License-Identifier: MIT */
/*
 * store.c - a file as a device: its pages are read, and written as far as the
 * file goes.
 *
 * A page that the end of the file lies in is full of zeroes behind it.  A page
 * behind that cannot be read: -EIO, and a touch of it is SIGBUS.
 */
#include <errno.h>
#include <string.h>

#include "core/context/context.h"
#include "core/file/file.h"

#define NR_IOV 64 /* on the stack of a thread that faults */

int file_measure(struct file_map *m)
{
	int64_t size = sys_file_bytes(&m->file);
	uint64_t bytes = size < (int64_t)m->offset ? 0 :
						     (uint64_t)size - m->offset;

	if (size < 0)
		return (int)size;
	atomic_store(&m->dev->bound,
		     (bytes + MM_PAGE_SIZE - 1) >> MM_PAGE_SHIFT);
	return 0;
}

/* ---- Read ---------------------------------------------------------------- */

/* Runs that follow each other in the file. */
struct reading {
	const struct uhmm_segment *seg;
	size_t nr;
};

static size_t bytes_of(const struct reading *r)
{
	size_t npages = 0;

	for (size_t i = 0; i < r->nr; i++)
		npages += r->seg[i].npages;
	return npages << MM_PAGE_SHIFT;
}

/* The memory behind the first @done bytes. */
static int fill_iov(const struct reading *r, size_t done, struct iovec *iov)
{
	int n = 0;

	for (size_t i = 0; i < r->nr; i++) {
		size_t len = r->seg[i].npages << MM_PAGE_SHIFT;

		if (done < len)
			iov[n++] = (struct iovec){ (char *)r->seg[i].ram + done,
						   len - done };
		done = done < len ? 0 : done - len;
	}
	return n;
}

static void zero_rest(const struct reading *r, size_t done)
{
	struct iovec iov[NR_IOV];
	int n = fill_iov(r, done, iov);

	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
}

/* The file ended after @done bytes of @len. */
static int end_of_file(struct file_map *m, const struct reading *r, size_t done,
		       size_t len)
{
	file_measure(m);
	if (len - done >= MM_PAGE_SIZE)
		return -EIO;
	zero_rest(r, done);
	return 0;
}

static int read_runs(struct file_map *m, const struct reading *r)
{
	uint64_t at = m->offset + (r->seg->dpfn << MM_PAGE_SHIFT);
	size_t done = 0, len = bytes_of(r);
	struct iovec iov[NR_IOV];

	while (done < len) {
		int nr = fill_iov(r, done, iov);
		ssize_t n =
			sys_file_read(&m->file, iov, nr, len - done, at + done);

		if (n < 0)
			return -EIO;
		if (!n)
			return end_of_file(m, r, done, len);
		done += (size_t)n;
	}
	if (r->seg->dpfn >= atomic_load(&m->dev->bound))
		file_measure(m); /* it has grown */
	return 0;
}

static int copy_from_file(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = 0;

	while (nr && !err) {
		struct reading r = { seg, 1 };

		while (r.nr < nr && r.nr < NR_IOV &&
		       seg[r.nr - 1].dpfn + seg[r.nr - 1].npages ==
			       seg[r.nr].dpfn)
			r.nr++;
		err = read_runs(priv, &r);
		seg += r.nr;
		nr -= r.nr;
	}
	return err;
}

/* No page goes to a file by a move. */
static int refuse_move(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	(void)seg;
	(void)nr;
	return -ENOSPC;
}

const struct uhmm_device_ops file_ops = {
	.size = sizeof(file_ops),
	.copy_to_devmem = refuse_move,
	.copy_to_ram = copy_from_file,
};

/* ---- Write --------------------------------------------------------------- */

static int write_bytes(struct file_map *m, const char *from, size_t len,
		       uint64_t at)
{
	while (len) {
		struct iovec iov = { (void *)from, len };
		ssize_t n = sys_file_write(&m->file, &iov, 1, at);

		if (n <= 0)
			return n ? (int)n : -EIO;
		from += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int file_write(struct file_map *m, const void *from, uint64_t dpfn,
	       size_t npages)
{
	uint64_t at = m->offset + (dpfn << MM_PAGE_SHIFT);
	int64_t size = sys_file_bytes(&m->file);
	size_t len = npages << MM_PAGE_SHIFT;

	if (size < 0)
		return -EIO;
	if (at >= (uint64_t)size)
		return 0;
	if (len > (uint64_t)size - at)
		len = (size_t)((uint64_t)size - at);
	return write_bytes(m, from, len, at);
}
