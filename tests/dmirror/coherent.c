/* SPDX-License-Identifier: MIT */
/*
 * coherent.c - the differences of devices 2 and 3, which have coherent memory.
 *
 * That memory is a file, mapped for the program where it has migrated pages.
 * This file gives the answers that a mirror does not give: that a page is on
 * the other coherent device, and whether the page may stay there.
 */
#include <sys/mman.h>

#include "dmirror.h"

static const struct device *device_of(struct shim *shim, uhmm_pfn_t pfn)
{
	unsigned id = uhmm_pfn_device(pfn);

	if (!(pfn & UHMM_PFN_VALID) || !id)
		return NULL;
	for (const struct device *d = shim->devices;
	     d < shim->devices + NR_DEVICES; d++)
		if (d->dev && d->id == id)
			return d;
	return NULL;
}

/**
 * struct remote - the pages that a snapshot asks about
 * @bytes: of the page at @start and those behind it
 */
struct remote {
	struct file *file;
	uintptr_t start;
	unsigned char *bytes;
};

static int add_remote(void *arg, const struct vma *v, uintptr_t start,
		      uintptr_t end)
{
	size_t n = (end - start) / PAGE;
	struct shim *shim = shim_get();
	struct remote *r = arg;
	uhmm_pfn_t pfns[BATCH];
	unsigned char *byte = r->bytes + (start - r->start) / PAGE;
	int err = uhmm_snapshot(shim->u, (void *)start, n * PAGE, pfns);

	for (size_t i = 0; i < n && !err; i++) {
		const struct device *d = device_of(shim, pfns[i]);

		if (!d || !d->coherent || d == r->file->device)
			continue;
		byte[i] = PROT_BYTE_COHERENT_REMOTE |
			  (v->prot & PROT_WRITE ? PROT_BYTE_WRITE :
						  PROT_BYTE_READ);
	}
	return err;
}

/* To a mirror it looks like a page of RAM, and it is of no other kind. */
static bool may_be_remote(unsigned char byte)
{
	return byte == PROT_BYTE_READ || byte == PROT_BYTE_WRITE;
}

/* A device sees pages that lie on the other coherent one. */
int coherent_remote(struct file *f, uintptr_t start, size_t npages,
		    unsigned char *bytes)
{
	struct remote r = { .file = f, .start = start, .bytes = bytes };
	int err = 0;

	for (size_t i = 0, end; i < npages && !err; i = end) {
		bool may = may_be_remote(bytes[i]);

		for (end = i + 1; end < npages; end++)
			if (may_be_remote(bytes[end]) != may)
				break;
		if (may)
			err = vma_walk(start + i * PAGE, start + end * PAGE,
				       add_remote, &r);
	}
	return err;
}

/* A short reference to a coherent page leaves it on its device. */
bool coherent_may_stay(struct shim *shim, uintptr_t addr)
{
	const struct device *d = NULL;
	uhmm_pfn_t pfn;

	if (shim->u && !uhmm_snapshot(shim->u, (void *)addr, PAGE, &pfn))
		d = device_of(shim, pfn);
	return d && d->coherent;
}
