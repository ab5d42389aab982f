// SPDX-License-Identifier: MIT
/*
 * guard.c - implementations of OpenCL set signal handlers as they are loaded or
 * compile for the first time, for SIGSEGV and SIGBUS too.  They are put back.
 *
 * A handler that another thread of the application sets meanwhile cannot be
 * told from one of theirs, and is undone: the time for that is short, and is at
 * the first use of a platform only.
 */
#include <signal.h>
#include <string.h>

#include "cl.h"

struct guard {
	struct sigaction saved[NSIG];
};

struct guard *guard_begin(void)
{
	struct guard *g = uhmm_provider_alloc(sizeof(*g));

	for (int sig = 1; g && sig < NSIG; sig++)
		if (sigaction(sig, NULL, &g->saved[sig]))
			g->saved[sig].sa_handler = SIG_ERR;
	return g;
}

void guard_end(struct guard *g)
{
	struct sigaction now;

	for (int sig = 1; g && sig < NSIG; sig++) {
		const struct sigaction *was = &g->saved[sig];

		if (was->sa_handler == SIG_ERR || sigaction(sig, NULL, &now) ||
		    (now.sa_sigaction == was->sa_sigaction &&
		     now.sa_flags == was->sa_flags))
			continue;
		(void)sigaction(sig, was, NULL);
	}
	uhmm_provider_free(g, sizeof(*g));
}
