// SPDX-License-Identifier: MIT
/*
 * file.c - pages in a file or on a block device.
 *
 *	file:[SIZE][,path=PATH][,keep=yes|no][,overwrite=yes|no]
 *	    [,direct=auto|yes|no][,prealloc=yes|no]
 *
 * Device page n is the n-th page of the file.  Data bypass the page cache where
 * the file system allows that.  Elsewhere they are on the disk before the copy
 * counts as done.  So an error of the disk is an error of the copy, and never
 * comes later.  A full disk is a full device.
 *
 * An application may close the descriptor, or put another file in its place, so
 * the descriptor is checked before and after each copy.
 *
 * Segments that follow each other in the file go with one call, wherever they
 * are in RAM.  The core hands out device pages in long runs for that.
 */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "file.h"

static size_t bytes(size_t npages)
{
	return bytes_of(npages);
}

static int error_of_write(int err)
{
	return err == EDQUOT || err == EFBIG ? -ENOSPC : -err;
}

#define MOST_PARTS 128

/* Pages that follow each other in the file.  @part: where they are in RAM */
struct transfer {
	uint64_t dpfn;
	size_t npages;
	unsigned nr;
	struct iovec part[MOST_PARTS];
};

/* The first of the @nr segments that go with one call.  Return: how many. */
static size_t gather(const struct uhmm_segment *seg, size_t nr,
		     struct transfer *ret)
{
	size_t n = 0;

	ret->dpfn = seg->dpfn;
	ret->npages = 0;
	while (n < nr && n < MOST_PARTS &&
	       seg[n].dpfn == ret->dpfn + ret->npages) {
		ret->part[n].iov_base = seg[n].ram;
		ret->part[n].iov_len = bytes(seg[n].npages);
		ret->npages += seg[n].npages;
		n++;
	}
	ret->nr = (unsigned)n;
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

static int run_transfer(const struct file *f, bool write, struct transfer *t)
{
	struct iovec *v = t->part, *end = v + t->nr;
	off_t at = (off_t)bytes(t->dpfn);

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

static int write_some(struct file *f, struct transfer *t)
{
	chunks_add(f, t->dpfn, t->npages);
	if (!file_may_reach(bytes_of(t->dpfn + t->npages)))
		return -ENOSPC;
	return run_transfer(f, true, t);
}

static int read_some(struct file *f, struct transfer *t)
{
	if (!chunks_have(f, t->dpfn, t->npages))
		return -EIO;
	return run_transfer(f, false, t);
}

static int move_parts(struct file *f, const struct uhmm_segment *seg, size_t nr,
		      int (*some)(struct file *f, struct transfer *t))
{
	int err = uhmm_fd_usable(f->fd) ? 0 : -EIO;
	struct transfer t;

	while (nr && !err) {
		size_t n = gather(seg, nr, &t);

		err = some(f, &t);
		seg += n;
		nr -= n;
	}
	return err || uhmm_fd_usable(f->fd) ? err : -EIO;
}

static int file_copy_to_devmem(void *priv, const struct uhmm_segment *seg,
			       size_t nr)
{
	return move_parts(priv, seg, nr, write_some);
}

static int file_copy_to_ram(void *priv, const struct uhmm_segment *seg,
			    size_t nr)
{
	return move_parts(priv, seg, nr, read_some);
}

static void file_page_free(void *priv, uint64_t dpfn, size_t npages)
{
	chunks_drop(priv, dpfn, npages);
}

static uint64_t file_stored(void *priv)
{
	const struct file *f = priv;

	return bytes(atomic_load(&f->used));
}

static int file_usage(void *priv, struct uhmm_device_usage *ret)
{
	const struct file *f = priv;

	ret->ram = sizeof(*f) + f->tables_len;
	if (f->in_ram)
		ret->ram += file_stored(priv);
	return 0;
}

static void file_release(void *priv)
{
	struct file *f = priv;

	file_close(f);
	chunks_destroy(f);
	uhmm_provider_free(f, sizeof(*f));
}

static const struct uhmm_device_ops file_ops = {
	.size = sizeof(file_ops),
	.copy_to_devmem = file_copy_to_devmem,
	.copy_to_ram = file_copy_to_ram,
	.page_free = file_page_free,
	.stored = file_stored,
	.usage = file_usage,
	.release = file_release,
};

static int provider_open(const char *const *values,
			 struct uhmm_device_desc *desc, void **ret_priv)
{
	struct file *f = uhmm_provider_alloc(sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	err = file_open(f, values, desc->npages);
	if (!err)
		err = chunks_init(f);
	if (err) {
		file_close(f);
		uhmm_provider_free(f, sizeof(*f));
		return err;
	}
	desc->type = UHMM_MEMORY_DEVICE_PRIVATE;
	desc->flags = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_RUNS |
		      UHMM_DEVICE_SLOW_WRITES;
	desc->npages = f->npages;
	desc->ops = &file_ops;
	*ret_priv = f;
	return 0;
}

const struct uhmm_provider provider_file = {
	.size = sizeof(provider_file),
	.abi = UHMM_PROVIDER_ABI,
	.name = "file",
	.summary = "a file or a block device",
	.options = file_options,
	.open = provider_open,
};
