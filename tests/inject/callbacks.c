// SPDX-License-Identifier: MIT
/* Every callback of a provider fails at its n-th use, on both page tables. */
#include "sweep.h"

static enum store_call call;

static void arm(struct space *s, long n)
{
	for (unsigned i = 0; s->u && i < 2; i++)
		atomic_store(&s->store[i].fail[call], n);
}

static bool disarm(struct space *s)
{
	return !atomic_load(&s->store[0].fail[call]) ||
	       !atomic_load(&s->store[1].fail[call]);
}

int main(void)
{
	static const struct sweep sweeps[] = {
		{ "fake", space_open_fake, { .off = NULL }, arm, disarm },
		{ "fake, in place",
		  space_open_fake,
		  { .off = "move" },
		  arm,
		  disarm },
		{ "threads",
		  space_open_real,
		  { .mode = UHMM_FAULTS_THREADS },
		  arm,
		  disarm },
		{ "inline",
		  space_open_real,
		  { .mode = UHMM_FAULTS_INLINE },
		  arm,
		  disarm },
		{ "threads, stash",
		  space_open_real,
		  { .mode = UHMM_FAULTS_THREADS, .off = "move" },
		  arm,
		  disarm },
	};

	for (unsigned i = 0; i < sizeof(sweeps) / sizeof(*sweeps); i++)
		for (int c = STORE_IN; c <= STORE_DIRECT; c++) {
			call = (enum store_call)c;
			sweep_run(&sweeps[i]);
		}
	return 0;
}
