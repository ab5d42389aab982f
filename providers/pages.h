/* SPDX-License-Identifier: MIT */
/* pages.h - pages of this system, and bytes. */
#ifndef PROVIDERS_PAGES_H
#define PROVIDERS_PAGES_H

#include <stdint.h>

#include <uhmm/provider.h>

static inline uint64_t bytes_of(uint64_t npages)
{
	return npages * uhmm_page_size();
}

/* Round down to whole pages. */
static inline uint64_t pages_in(uint64_t bytes)
{
	return bytes / uhmm_page_size();
}

#endif
