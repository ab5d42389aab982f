// SPDX-License-Identifier: MIT
/*
 * kmod.c - device memory that is pages of the kernel, by the kernel module.
 *
 *	kmod:SIZE[,coherent=ADDRESS]
 *	kmod:id=NUMBER
 *
 * The second is a device of another process, as of "uhmm serve", which keeps
 * the data, and brings them home before it ends.
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
	if (!stat.slots) /* no other process keeps them */
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

/* ---- A device of another process ---- */

static int refuse_attach(int err, uint64_t id)
{
	if (err == ENODEV)
		return uhmm_provider_fail(-err,
					  "id=%ju: there is no such device; "
					  "\"uhmm serve\" says the numbers",
					  (uintmax_t)id);
	return uhmm_provider_fail(-err, "id=%ju: %s", (uintmax_t)id,
				  strerrordesc_np(err));
}

static int attach_served(struct kmod *k, uint64_t id, uint64_t *ret_npages)
{
	struct uhmmk_attach attach = {
		.size = sizeof(attach),
		.id = (uint32_t)id,
	};
	struct uhmmk_stat stat = { .size = sizeof(stat) };

	if (ioctl(k->fd, UHMMK_ATTACH, &attach) ||
	    ioctl(k->fd, UHMMK_STAT, &stat))
		return refuse_attach(errno, id);
	k->type = stat.type;
	*ret_npages = stat.npages;
	return 0;
}

/* "" is 0: a device of this process's own */
static int parse_id(const char *s, uint64_t *ret)
{
	*ret = 0;
	if (!*s)
		return 0;
	if (strspn(s, "0123456789") == strlen(s) && strlen(s) < 10 &&
	    !uhmm_parse_size(s, ret) && *ret)
		return 0;
	return uhmm_provider_fail(-EINVAL, "id=%s: no number from 1 on", s);
}

/* ---- Options ---- */

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

static int open_kmod(struct kmod *k, uint64_t id, uint64_t phys,
		     uint64_t *npages)
{
	int err;

	k->fd = open_module();
	if (k->fd < 0)
		return k->fd;
	err = id ? attach_served(k, id, npages) : add_device(k, *npages, phys);
	if (!err)
		k->fd = uhmm_fd_keep(k->fd);
	else
		close(k->fd);
	return err;
}

static int parse_values(const char *const *values, uint64_t npages,
			uint64_t *ret_phys, uint64_t *ret_id)
{
	int err = parse_id(values[1], ret_id);

	if (err)
		return err;
	if (*ret_id && (npages || *values[0]))
		return uhmm_provider_fail(-EINVAL,
					  "with id= there is no size, and no "
					  "other option");
	if (!*ret_id && option_size(npages, "kmod:64M"))
		return -EINVAL;
	return parse_address(values[0], ret_phys);
}

static int kmod_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	uint64_t phys = 0, id = 0;
	struct kmod *k;
	int err = parse_values(values, desc->npages, &phys, &id);

	if (err)
		return err;
	k = uhmm_provider_alloc(sizeof(*k));
	if (!k)
		return -ENOMEM;
	err = open_kmod(k, id, phys, &desc->npages);
	if (err) {
		uhmm_provider_free(k, sizeof(*k));
		return err;
	}
	desc->type = k->type == UHMMK_COHERENT ? UHMM_MEMORY_DEVICE_COHERENT :
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
	{ "id", "", "the number of a device of \"uhmm serve\"" },
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
