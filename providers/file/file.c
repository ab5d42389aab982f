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
 * Pages that follow each other in the file go with one call, see transfer.c.
 * The core hands out device pages in long runs for that.
 */
#include <errno.h>

#include "file.h"

static int file_copy_to_devmem(void *priv, const struct uhmm_segment *seg,
			       size_t nr)
{
	struct file *f = priv;
	int err = uhmm_fd_usable(f->fd) ? 0 : -EIO;

	if (!err)
		err = transfer_write(f, seg, nr);
	return err || uhmm_fd_usable(f->fd) ? err : -EIO;
}

static int file_copy_to_ram(void *priv, const struct uhmm_segment *seg,
			    size_t nr)
{
	struct file *f = priv;
	int err = uhmm_fd_usable(f->fd) ? 0 : -EIO;

	if (!err)
		err = transfer_read(f, seg, nr);
	return err || uhmm_fd_usable(f->fd) ? err : -EIO;
}

static void file_page_free(void *priv, uint64_t dpfn, size_t npages)
{
	chunks_drop(priv, dpfn, npages);
}

static uint64_t file_stored(void *priv)
{
	const struct file *f = priv;

	return bytes_of(atomic_load(&f->used));
}

static int file_usage(void *priv, struct uhmm_device_usage *ret)
{
	const struct file *f = priv;

	ret->ram = sizeof(*f) + f->tables_len + bytes_of(UNUSED_PAGES);
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
