/* SPDX-License-Identifier: MIT */
/* holdings.h - what the process holds, to see that nothing is left behind. */
#ifndef UHMM_TEST_HOLDINGS_H
#define UHMM_TEST_HOLDINGS_H

#include <stddef.h>

struct holdings {
	size_t fds, threads, mappings, bytes;
};

struct holdings count_holdings(void);
/* A thread that was joined may be listed for a moment. */
void check_holdings(const struct holdings *was);

#endif
