// SPDX-License-Identifier: MIT
/*
 * Programs whose memory fits in RAM, with and without "uhmm run".
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

extern char **environ;

/* Lines in a random order.  Unlinked when the program has been run. */
static char input[] = "/tmp/uhmm-bench-XXXXXX";

static int make_input(size_t len)
{
	uint64_t x = 88172645463325252;
	int fd = mkstemp(input);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return -errno;
	for (size_t n = 0; n < len; n += 32) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		fprintf(f, "%016jx %014zu\n", (uintmax_t)x, n);
	}
	fclose(f);
	return 0;
}

/* Seconds, or 0 when it did not end well. */
static double run_once(const char *const *argv)
{
	posix_spawn_file_actions_t fa;
	uint64_t start = now_ns();
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)argv,
			 environ) ||
	    waitpid(pid, &status, 0) < 0)
		status = -1;
	posix_spawn_file_actions_destroy(&fa);
	return status ? 0 : (double)(now_ns() - start) / 1e9;
}

static int measure(struct bench_run *run, const char *name,
		   const char *const *plain)
{
	const char *ours[16] = { "/proc/self/exe", "run", "--" };
	struct result f = { 0 };

	for (size_t i = 0; plain[i] && i < 12; i++)
		ours[3 + i] = plain[i];
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		double bare = run_once(plain);
		double us = run_once(ours);

		if (!bare || !us)
			return -EOPNOTSUPP;
		result_add(&f, us, bare);
	}
	at_most(run, name, ALONE, "s", 1.02, &f);
	return 0;
}

static int program(struct bench_run *run)
{
	const char *sort[] = {
		"sort", "-S", "256M", "--parallel=1", input, NULL
	};
	const char *xz[] = { "xz", "-1", "-T1", "-k", "-c", input, NULL };
	int err = make_input(bench_quick(run) ? MIB : 16 * MIB);

	if (err)
		return err;
	setenv("LC_ALL", "C", 1);
	err = measure(run, "run-sort", sort);
	if (!err && !truncate(input, bench_quick(run) ? MIB / 4 : 2 * MIB))
		err = measure(run, "run-xz", xz);
	unlink(input);
	memcpy(input + sizeof(input) - 7, "XXXXXX", 6);
	return err;
}

const struct bench bench_program = {
	"program",
	"programs that fit in RAM, under \"uhmm run\" and plainly",
	program,
};
