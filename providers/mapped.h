/* SPDX-License-Identifier: MIT */
/*
 * mapped.h - operations of devices with memory that the provider has mapped.
 *
 * Device page n is the n-th page of the mapping.  A provider's own struct
 * begins with a struct mapped_pages, so that the operations take its priv.  No
 * lock is needed: the core never uses a device page for two things at once.
 */
#ifndef PROVIDERS_MAPPED_H
#define PROVIDERS_MAPPED_H

#include "pages.h"
#include "touched.h"

/*
 * @len: bytes
 * @touched: pages that were ever written
 */
struct mapped_pages {
	unsigned char *pages;
	size_t len;
	touched_pages touched;
};

static inline void *mapped_at(const struct mapped_pages *m, uint64_t dpfn)
{
	return m->pages + bytes_of(dpfn);
}

/* The address to write to.  The pages count as having memory from then on. */
static inline void *mapped_touch(struct mapped_pages *m, uint64_t dpfn,
				 size_t npages)
{
	touched_add(&m->touched, dpfn, npages);
	return mapped_at(m, dpfn);
}

/* As in struct uhmm_device_ops. */
int mapped_copy_to_devmem(void *priv, const struct uhmm_segment *seg,
			  size_t nr);
int mapped_copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr);
int mapped_clear(void *priv, uint64_t dpfn, size_t npages);
const void *mapped_direct(void *priv, uint64_t dpfn, size_t npages);

#endif
