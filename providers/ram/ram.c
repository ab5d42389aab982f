// SPDX-License-Identifier: MIT
/*
 * ram.c - the reference device: memory that the application cannot see.
 *
 *	ram:SIZE[,scrub=yes|no]
 *
 * Device page n is the n-th page of one private mapping (mapped.h).  Two
 * functions copy.  The others save work that the core would do without them.
 *
 * The next owner of a freed page cannot read the old data: every page is
 * overwritten as a whole, by a copy or by clear(), before it is read.  With
 * scrub=yes pages are zeroed when they are freed, for secrets that must not
 * linger.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uhmm/provider.h>

#include "../mapped.h"
#include "../options.h"

#define HUGE_PAGE_SIZE ((size_t)2 << 20)

/* @of.len is a multiple of the huge page size. */
struct ram {
	struct mapped_pages of;
	void *mapping;
	size_t mapping_len;
};

static const struct uhmm_device_ops ram_ops;

/* Only a device with the same functions has memory that we can read. */
static int ram_copy_peer(void *priv, const struct uhmm_device_desc *src,
			 void *src_priv, const struct uhmm_peer_segment *seg,
			 size_t nr)
{
	if (src->ops != &ram_ops)
		return -EOPNOTSUPP;
	for (; nr; seg++, nr--)
		uhmm_copy(mapped_touch(priv, seg->dst, seg->npages),
			  mapped_at(src_priv, seg->src), bytes_of(seg->npages));
	return 0;
}

static void ram_page_free(void *priv, uint64_t dpfn, size_t npages)
{
	mapped_clear(priv, dpfn, npages);
}

/* Counts whole huge pages, as the kernel allocates.  Freed pages count too. */
static int ram_usage(void *priv, struct uhmm_device_usage *ret)
{
	const struct ram *ram = priv;
	uint64_t len = touched_bytes(&ram->of.touched, uhmm_page_size(),
				     HUGE_PAGE_SIZE);

	ret->ram = sizeof(*ram);
	ret->ram += len < ram->of.len ? len : ram->of.len;
	return 0;
}

static void ram_release(void *priv)
{
	struct ram *ram = priv;

	uhmm_provider_free(ram->mapping, ram->mapping_len);
	uhmm_provider_free(ram, sizeof(*ram));
}

static const struct uhmm_device_ops ram_ops = {
	.size = sizeof(ram_ops),
	.copy_to_devmem = mapped_copy_to_devmem,
	.copy_to_ram = mapped_copy_to_ram,
	.copy_peer = ram_copy_peer,
	.clear = mapped_clear,
	.direct = mapped_direct,
	.usage = ram_usage,
	.release = ram_release,
};

static const struct uhmm_device_ops ram_scrub_ops = {
	.size = sizeof(ram_scrub_ops),
	.copy_to_devmem = mapped_copy_to_devmem,
	.copy_to_ram = mapped_copy_to_ram,
	.clear = mapped_clear,
	.direct = mapped_direct,
	.page_free = ram_page_free,
	.usage = ram_usage,
	.release = ram_release,
};

/* In huge pages if the kernel has any: fewer faults, cheaper copies. */
static int ram_map(struct ram *ram, size_t len)
{
	uintptr_t start;

	ram->of.len = len;
	ram->mapping_len = len + HUGE_PAGE_SIZE;
	ram->mapping = uhmm_provider_alloc(ram->mapping_len);
	if (!ram->mapping)
		return -ENOMEM;
	start = ((uintptr_t)ram->mapping + HUGE_PAGE_SIZE - 1) &
		~(uintptr_t)(HUGE_PAGE_SIZE - 1);
	ram->of.pages = (unsigned char *)start;
	(void)madvise(ram->of.pages, len, MADV_HUGEPAGE);
	return 0;
}

static int ram_open(const char *const *values, struct uhmm_device_desc *desc,
		    void **ret_priv)
{
	struct ram *ram;
	bool scrub;

	if (option_size(desc->npages, "ram:64M") ||
	    option_yes_or_no("scrub", values[0], &scrub))
		return -EINVAL;
	if (desc->npages > (uint64_t)sysconf(_SC_PHYS_PAGES))
		return -ENOMEM;
	ram = uhmm_provider_alloc(sizeof(*ram));
	if (!ram)
		return -ENOMEM;
	if (ram_map(ram, bytes_of(desc->npages))) {
		uhmm_provider_free(ram, sizeof(*ram));
		return -ENOMEM;
	}
	desc->flags = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_FORKS;
	desc->ops = scrub ? &ram_scrub_ops : &ram_ops;
	*ret_priv = ram;
	return 0;
}

static const struct uhmm_option ram_options[] = {
	{ "scrub", "no", "zero pages as soon as they are freed: yes or no" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_ram = {
	.size = sizeof(provider_ram),
	.abi = UHMM_PROVIDER_ABI,
	.name = "ram",
	.summary = "memory that the application cannot see; the reference",
	.options = ram_options,
	.open = ram_open,
};
