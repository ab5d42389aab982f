// SPDX-License-Identifier: MIT
/* Sizes on the command line. */
#include <uhmm/provider.h>
#include <uhmm/uhmm.h>

#include "tool.h"

bool parse_bytes(const char *command, const char *option, const char *arg,
		 uint64_t least, uint64_t *ret)
{
	uint64_t bytes;

	if (uhmm_parse_size(arg, &bytes) < 0) {
		complain(command,
			 "%s %s is no size; write it as 512M, 2G or 1.5GiB, "
			 "in units of 1024",
			 option, arg);
		return false;
	}
	if (bytes < least) {
		complain(command,
			 "%s %s is too small; give at least %llu bytes", option,
			 arg, (unsigned long long)least);
		return false;
	}
	*ret = bytes & ~(uint64_t)(uhmm_page_size() - 1);
	return true;
}
