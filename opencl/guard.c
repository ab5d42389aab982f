// SPDX-License-Identifier: MIT
/*
 * guard.c - undoes the signal handlers of OpenCL implementations.
 *
 * An implementation installs handlers when it is loaded or compiles for the
 * first time, for SIGSEGV and SIGBUS too.  The former dispositions are
 * restored.  A handler that another thread of the application installs
 * meanwhile looks like one of the implementation's, and is undone too.  That
 * can happen only for a short time, at the first use of a platform.
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
