// SPDX-License-Identifier: MIT
/*
 * dax.c - coherent device memory that the CPU maps by a file.
 *
 *	dax:[SIZE][,path=/dev/daxX.Y]
 *
 * Without a path the device is a memfd, for machines that have no such memory.
 * Device page n is the n-th page of the file.  The provider maps the file once,
 * for copies; the core maps each page of it at the address where it belongs.
 *
 * Other processes may open a device's file, so its pages are cleared when they
 * are freed.  A memfd is ours alone: its pages keep their memory and contents,
 * and the next page that is moved there overwrites them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <uhmm/provider.h>

#include "../mapped.h"
#include "../options.h"
#include "../sysfs.h"

#define ALIGN ((uint64_t)2 << 20) /* alignment of a devdax mapping */

struct dax {
	struct mapped_pages of;
	int fd;
	bool memfd;
};

static uint64_t dax_stored(void *priv)
{
	const struct dax *dax = priv;
	struct stat st;

	if (!dax->memfd || fstat(dax->fd, &st))
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

/* A memfd is RAM, and its pages keep their memory when they are freed. */
static int dax_usage(void *priv, struct uhmm_device_usage *ret)
{
	const struct dax *dax = priv;

	if (dax->memfd)
		ret->ram = touched_bytes(&dax->of.touched, uhmm_page_size(),
					 uhmm_page_size());
	return 0;
}

static void dax_release(void *priv)
{
	struct dax *dax = priv;

	if (dax->of.pages)
		munmap(dax->of.pages, dax->of.len);
	uhmm_fd_close(dax->fd);
	uhmm_provider_free(dax, sizeof(*dax));
}

static const struct uhmm_device_ops dax_ops = {
	.size = sizeof(dax_ops),
	.copy_to_devmem = mapped_copy_to_devmem,
	.copy_to_ram = mapped_copy_to_ram,
	.clear = mapped_clear,
	.direct = mapped_direct,
	.stored = dax_stored,
	.usage = dax_usage,
	.release = dax_release,
};

/* ---- Opening ---- */

/* The size of a character device, from sysfs.  Return: bytes, 0: unknown. */
static uint64_t size_of_device(dev_t dev)
{
	char path[64], text[32];
	const char *p = text;
	uint64_t size = 0;

	uhmm_format(path, sizeof(path), "/sys/dev/char/%u:%u/size", major(dev),
		    minor(dev));
	if (sysfs_read(path, text, sizeof(text)))
		sysfs_number(&p, &size);
	return size;
}

static uint64_t size_of_dax(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return 0;
	return S_ISCHR(st.st_mode) ? size_of_device(st.st_rdev) :
				     (uint64_t)st.st_size;
}

/* Is the file memory?  A device page overwrites the data of a file on disk. */
static bool is_memory(int fd)
{
	struct statfs fs;
	struct statx sx;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return false;
	if (S_ISCHR(st.st_mode))
		return size_of_device(st.st_rdev) != 0;
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return S_ISREG(st.st_mode);
	return !statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) &&
	       sx.stx_attributes & STATX_ATTR_DAX;
}

static int open_memfd(struct dax *dax, uint64_t npages)
{
	if (option_size(npages, "dax:64M, or give a path"))
		return -EINVAL;
	if (npages > (uint64_t)sysconf(_SC_PHYS_PAGES))
		return -ENOMEM;
	dax->memfd = true;
	dax->fd = memfd_create("uhmm-dax", MFD_CLOEXEC);
	if (dax->fd < 0)
		return -errno;
	dax->of.len = bytes_of(npages);
	return ftruncate(dax->fd, (off_t)dax->of.len) ? -errno : 0;
}

static int open_dax_path(struct dax *dax, const char *path, uint64_t npages)
{
	uint64_t size;

	dax->fd = open(path, O_RDWR | O_CLOEXEC);
	if (dax->fd < 0)
		return uhmm_provider_fail(-errno, "path=%s: %s", path,
					  strerrordesc_np(errno));
	if (!is_memory(dax->fd))
		return uhmm_provider_fail(
			-ENXIO,
			"path=%s: no device memory; \"uhmm doctor\" lists "
			"devices that are",
			path);
	size = size_of_dax(dax->fd) & ~(ALIGN - 1);
	dax->of.len = npages ? bytes_of(npages) : size;
	dax->of.len = (dax->of.len + ALIGN - 1) & ~(ALIGN - 1);
	if (!dax->of.len)
		return uhmm_provider_fail(-EINVAL, "path=%s: has no %ju MiB",
					  path, (uintmax_t)ALIGN >> 20);
	if (dax->of.len > size)
		return uhmm_provider_fail(-ENOMEM, "path=%s: has %ju MiB only",
					  path, (uintmax_t)size >> 20);
	return 0;
}

static int open_memory(struct dax *dax, const char *path, uint64_t npages)
{
	void *p;
	int err;

	dax->fd = -1;
	err = *path ? open_dax_path(dax, path, npages) :
		      open_memfd(dax, npages);
	if (err)
		return err;
	dax->fd = uhmm_fd_keep(dax->fd);
	p = mmap(NULL, dax->of.len, PROT_READ | PROT_WRITE, MAP_SHARED, dax->fd,
		 0);
	if (p == MAP_FAILED)
		return -errno;
	dax->of.pages = p;
	/*
	 * A child does not use the mapping, and must not keep the memory alive.
	 */
	return madvise(p, dax->of.len, MADV_DONTFORK) ? -errno : 0;
}

static int dax_open(const char *const *values, struct uhmm_device_desc *desc,
		    void **ret_priv)
{
	struct dax *dax = uhmm_provider_alloc(sizeof(*dax));
	int err;

	if (!dax)
		return -ENOMEM;
	err = open_memory(dax, values[0], desc->npages);
	if (err) {
		dax_release(dax);
		return err;
	}
	desc->type = UHMM_MEMORY_DEVICE_COHERENT;
	desc->flags = UHMM_DEVICE_CONCURRENT;
	if (!dax->memfd)
		desc->flags |= UHMM_DEVICE_SHARED;
	desc->npages = pages_in(dax->of.len);
	desc->fd = dax->fd;
	desc->ops = &dax_ops;
	*ret_priv = dax;
	return 0;
}

static const struct uhmm_option dax_options[] = {
	{ "path", "", "the device, as /dev/dax0.0; without one: a memfd" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_dax = {
	.size = sizeof(provider_dax),
	.abi = UHMM_PROVIDER_ABI,
	.name = "dax",
	.summary = "memory of a device that the CPU maps; or a memfd",
	.options = dax_options,
	.open = dax_open,
};
