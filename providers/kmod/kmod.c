// SPDX-License-Identifier: MIT
/*
 * kmod.c - device memory that is pages of the kernel, by the kernel module.
 *
 *	kmod:SIZE[,coherent=ADDRESS]
 *
 * The provider adds a device to the module, which keeps the data and moves the
 * pages; the device ends with its file.  A child of fork(2) has the file, too:
 * the pages that it shares with its parent stay on the device until both have
 * closed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <uhmm/provider.h>

#include "../../kernel/uapi/uhmm_kmod.h"
#include "../options.h"
#include "../pages.h"

struct kmod {
	int fd;
	uint32_t type;
};

/* Private pages are kept by the module, each in a page of RAM. */
static int kmod_usage(void *priv, struct uhmm_device_usage *ret)
{
	struct uhmmk_stat stat = { .size = sizeof(stat) };
	const struct kmod *k = priv;

	if (k->type != UHMMK_PRIVATE)
		return 0;
	if (ioctl(k->fd, UHMMK_STAT, &stat))
		return -errno;
	ret->ram = bytes_of(stat.used);
	return 0;
}

static void kmod_release(void *priv)
{
	struct kmod *k = priv;

	uhmm_fd_close(k->fd);
	uhmm_provider_free(k, sizeof(*k));
}

static const struct uhmm_device_ops kmod_ops = {
	.size = sizeof(kmod_ops),
	.release = kmod_release,
	.usage = kmod_usage,
};

/* ---- Opening ---- */

static int open_module(void)
{
	int fd = open("/dev/uhmm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return uhmm_provider_fail(
			-ENODEV, "the kernel module is not loaded: there is no "
				 "/dev/uhmm");
	case EACCES:
	case EPERM:
		return uhmm_provider_fail(-errno,
					  "this user may not open /dev/uhmm");
	default:
		return uhmm_provider_fail(-errno, "/dev/uhmm: %s",
					  strerrordesc_np(errno));
	}
}

static int refuse_add(int err, uint64_t phys)
{
	switch (err) {
	case EPERM:
		return uhmm_provider_fail(
			-err, phys ? "the address is not in what the module's "
				     "parameter coherent= sets aside" :
				     "the kernel module adds devices for "
				     "CAP_SYS_ADMIN only");
	case EOPNOTSUPP:
		return uhmm_provider_fail(-err,
					  "this kernel has no private device "
					  "pages (CONFIG_DEVICE_PRIVATE)");
	case EBUSY:
		return uhmm_provider_fail(
			-err, "other memory is at that address already");
	case ENOMEM:
		return uhmm_provider_fail(-err,
					  "the kernel has no room for a device "
					  "of this size");
	default:
		return uhmm_provider_fail(-err,
					  "the kernel adds no such device: %s",
					  strerrordesc_np(err));
	}
}

static int add_device(struct kmod *k, uint64_t npages, uint64_t phys)
{
	struct uhmmk_add add = {
		.size = sizeof(add),
		.flags = phys ? 0 : UHMMK_KERNEL_STORE,
		.type = phys ? UHMMK_COHERENT : UHMMK_PRIVATE,
		.npages = npages,
		.phys = phys,
	};

	k->type = add.type;
	return ioctl(k->fd, UHMMK_ADD, &add) ? refuse_add(errno, phys) : 0;
}

static bool parse_hex(const char *s, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = strlen(s);

	if (!len || len > 16)
		return false;
	for (; *s; s++) {
		const char *digit = strchr(digits, *s);

		if (!digit)
			return false;
		*ret = *ret << 4 | (uint64_t)(digit - digits);
	}
	return true;
}

/* "" is 0: private pages */
static int parse_address(const char *s, uint64_t *ret)
{
	bool ok = !*s;

	*ret = 0;
	if (!strncmp(s, "0x", 2))
		ok = parse_hex(s + 2, ret) && *ret;
	else if (*s)
		ok = !uhmm_parse_size(s, ret) && *ret;
	return ok ? 0 :
		    uhmm_provider_fail(
			    -EINVAL,
			    "coherent=%s: no address; write 0x40000000 or 1G",
			    s);
}

static int open_kmod(struct kmod *k, uint64_t npages, uint64_t phys)
{
	int err;

	k->fd = open_module();
	if (k->fd < 0)
		return k->fd;
	err = add_device(k, npages, phys);
	if (!err)
		k->fd = uhmm_fd_keep(k->fd);
	else
		close(k->fd);
	return err;
}

static int kmod_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	uint64_t phys = 0;
	struct kmod *k;
	int err;

	if (option_size(desc->npages, "kmod:64M"))
		return -EINVAL;
	err = parse_address(values[0], &phys);
	if (err)
		return err;
	k = uhmm_provider_alloc(sizeof(*k));
	if (!k)
		return -ENOMEM;
	err = open_kmod(k, desc->npages, phys);
	if (err) {
		uhmm_provider_free(k, sizeof(*k));
		return err;
	}
	desc->type = phys ? UHMM_MEMORY_DEVICE_COHERENT :
			    UHMM_MEMORY_DEVICE_PRIVATE;
	desc->flags = UHMM_DEVICE_KMOD | UHMM_DEVICE_CONCURRENT;
	desc->fd = k->fd;
	desc->ops = &kmod_ops;
	*ret_priv = k;
	return 0;
}

static const struct uhmm_option kmod_options[] = {
	{ "coherent", "",
	  "where memory was set aside for it; default: private" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_kmod = {
	.size = sizeof(provider_kmod),
	.abi = UHMM_PROVIDER_ABI,
	.name = "kmod",
	.summary = "pages of the kernel, by the kernel module uhmm",
	.options = kmod_options,
	.open = kmod_open,
};
