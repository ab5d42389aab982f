/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - one scenario, run again and again: each time the next thing fails.
 *
 * Whatever fails, once: no data are lost, no call hangs, every device page and
 * all memory is given back, and a call that failed works when tried again.
 */
#ifndef UHMM_SWEEP_H
#define UHMM_SWEEP_H

#include "../model/model.h"

/*
 * Fails the n-th of whatever is counted, from now on.
 * @arm: called before the context is opened, and with s->u when there are
 *	devices
 * @disarm: did anything fail?
 */
struct sweep {
	const char *name;
	space_open_fn *open;
	struct space_how how;
	void (*arm)(struct space *s, long n);
	bool (*disarm)(struct space *s);
};

void sweep_run(const struct sweep *w);

#endif
