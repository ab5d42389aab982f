/* SPDX-License-Identifier: MIT */
/*
 * options.h - values of options, and why they are refused.
 *
 * Each function returns 0, or -EINVAL with a sentence for the library's message
 * (uhmm_provider_fail()).
 */
#ifndef PROVIDERS_OPTIONS_H
#define PROVIDERS_OPTIONS_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <uhmm/provider.h>

static inline int option_yes_or_no(const char *key, const char *value,
				   bool *ret)
{
	*ret = !strcmp(value, "yes");
	return *ret || !strcmp(value, "no") ?
		       0 :
		       uhmm_provider_fail(-EINVAL, "%s=%s: write yes or no",
					  key, value);
}

/* @example: a specification with a size */
static inline int option_size(uint64_t npages, const char *example)
{
	return npages ? 0 :
			uhmm_provider_fail(-EINVAL,
					   "there is no size; write it as %s",
					   example);
}

#endif
