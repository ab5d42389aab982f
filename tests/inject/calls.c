// SPDX-License-Identifier: MIT
/* Every call to the kernel fails at its n-th use, on both page tables. */
#include "sweep.h"
#include "sys/fail.h"

static void arm(struct space *s, long n)
{
	if (!s->u)
		sys_fail_arm(n);
}

static bool disarm(struct space *s)
{
	const char *what = sys_fail_disarm();

	(void)s;
	if (what && getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "failed: %s\n", what);
	return what != NULL;
}

int main(int argc, char **argv)
{
	static const struct sweep sweeps[] = {
		{ "fake", space_open_fake, { .off = NULL }, arm, disarm },
		{ "fake-in-place",
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
		{ "threads-stash",
		  space_open_real,
		  { .mode = UHMM_FAULTS_THREADS, .off = "move" },
		  arm,
		  disarm },
		{ "threads-in-place",
		  space_open_real,
		  { .mode = UHMM_FAULTS_THREADS, .off = "move,stash" },
		  arm,
		  disarm },
	};
	int runs = 0;

	for (size_t i = 0; i < sizeof(sweeps) / sizeof(*sweeps); i++) {
		if (argc > 1 && strcmp(argv[1], sweeps[i].name))
			continue;
		sweep_run(&sweeps[i]);
		runs++;
	}
	return runs ? 0 : 2;
}
