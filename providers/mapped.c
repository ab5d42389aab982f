// SPDX-License-Identifier: MIT
/* mapped.c - operations of devices in mapped memory, see mapped.h. */
#include <string.h>

#include "mapped.h"

int mapped_copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--)
		uhmm_copy(mapped_touch(priv, seg->dpfn, seg->npages), seg->ram,
			  bytes_of(seg->npages));
	return 0;
}

int mapped_copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--)
		uhmm_copy(seg->ram, mapped_at(priv, seg->dpfn),
			  bytes_of(seg->npages));
	return 0;
}

int mapped_clear(void *priv, uint64_t dpfn, size_t npages)
{
	memset(mapped_touch(priv, dpfn, npages), 0, bytes_of(npages));
	return 0;
}

const void *mapped_direct(void *priv, uint64_t dpfn, size_t npages)
{
	(void)npages;
	return mapped_at(priv, dpfn);
}
