// SPDX-License-Identifier: MIT
/* Limits on the address space of a process. */
#include <sys/resource.h>

#include "run.h"

static rlim_t limit_of(__rlimit_resource_t resource)
{
	struct rlimit l;

	return getrlimit(resource, &l) ? RLIM_INFINITY : l.rlim_cur;
}

uint64_t run_space(const char **ret_what)
{
	rlim_t all = limit_of(RLIMIT_AS), data = limit_of(RLIMIT_DATA);

	if (all == RLIM_INFINITY && data == RLIM_INFINITY)
		return 0;
	if (ret_what)
		*ret_what = all <= data ? "RLIMIT_AS (ulimit -v)" :
					  "RLIMIT_DATA (ulimit -d)";
	return all <= data ? all : data;
}
