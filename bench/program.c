// SPDX-License-Identifier: MIT
/* Programs that fit in RAM, under "uhmm run" and with jemalloc alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* The programs read and write in this directory only. */
static char dir[] = "/tmp/uhmm-bench-XXXXXX";
static char input[sizeof(dir) + 16];

/* Lines in a random order. */
static void write_lines(FILE *f, size_t len)
{
	uint64_t x = 88172645463325252;

	for (size_t n = 0; n < len; n += 32) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		fprintf(f, "%016jx %014zu\n", (uintmax_t)x, n);
	}
}

/* Functions that keep a compiler busy. */
static void write_code(FILE *f, size_t len)
{
	for (size_t n = 0; n < len; n += 256)
		fprintf(f,
			"int f%zu(int *p, int n)\n{\n"
			"\tint s = 0;\n\n"
			"\tfor (int i = 0; i < n; i++)\n"
			"\t\ts += p[i] * (p[i] >> %zu) + (s ^ i);\n"
			"\treturn s %% %zu;\n}\n",
			n, n / 256 % 7, n + 3);
}

static int write_input(void (*fn)(FILE *f, size_t len), size_t len)
{
	FILE *f = fopen(input, "w");

	if (!f)
		return -errno;
	fn(f, len);
	return fclose(f) ? -errno : 0;
}

/*
 * A program that runs, or has ended with success; @cpu: seconds of CPU time,
 * with its children's.
 */
struct job {
	pid_t pid;
	bool is_well;
	double cpu;
};

static const char *const *with_us(const char *const *plain)
{
	static const char *argv[20] = { "/proc/self/exe", "run", "--" };

	for (size_t i = 0; i < 17; i++) {
		argv[3 + i] = plain[i];
		if (!plain[i])
			break;
	}
	return argv;
}

static void begin(struct job *job, const char *const *argv)
{
	*job = (struct job){ .pid = spawn_quietly(argv) };
}

/* With jemalloc preloaded, the allocator that "uhmm run" uses. */
static void begin_plain(struct job *job, const char *const *argv)
{
	setenv("LD_PRELOAD", "libjemalloc.so.2", 1);
	begin(job, argv);
	unsetenv("LD_PRELOAD");
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void end(struct job *job)
{
	struct rusage use;
	int status;

	if (!job->pid || wait4(job->pid, &status, 0, &use) != job->pid)
		return;
	job->is_well = !status;
	job->cpu = seconds(use.ru_utime) + seconds(use.ru_stime);
}

/*
 * Both runs share one CPU, in turns of some milliseconds.  The speed of a
 * virtual machine changes by a third from run to run, and by a tenth within a
 * run, but hardly within milliseconds.
 */
static int measure(struct bench_run *run, const char *name,
		   const char *const *plain)
{
	struct result f = { 0 };
	struct job us, bare;

	for (unsigned r = 0; r < rounds(run, 11); r++) {
		pin(0);
		if (r % 2)
			begin(&us, with_us(plain));
		begin_plain(&bare, plain);
		if (r % 2 == 0)
			begin(&us, with_us(plain));
		unpin();
		end(&bare);
		end(&us);
		if (!bare.is_well || !us.is_well)
			return -EOPNOTSUPP;
		result_add(&f, us.cpu, bare.cpu);
	}
	at_most(run, name, TOGETHER, "cpu s", 1.02, &f);
	return 0;
}

/* Wait for the end.  Return: seconds since @start; 0: the program failed. */
static double wait_for(struct job *job, uint64_t start)
{
	end(job);
	return job->is_well ? (double)(now_ns() - start) / 1e9 : 0;
}

/* The cost for a program that does nothing. */
static int start(struct bench_run *run)
{
	const char *const argv[] = { "true", NULL };
	struct result f = { 0 };
	struct job job;

	for (unsigned r = 0; r < rounds(run, 21); r++) {
		uint64_t at = now_ns();
		double bare, us;

		begin_plain(&job, argv);
		bare = wait_for(&job, at);
		at = now_ns();
		begin(&job, with_us(argv));
		us = wait_for(&job, at);
		if (!bare || !us)
			return -EOPNOTSUPP;
		result_add(&f, us > bare ? (us - bare) * 1e3 : 0, 0);
	}
	at_most(run, "run-start", ALONE, "ms", 20, &f);
	return 0;
}

static int program(struct bench_run *run)
{
	const bool quick = bench_quick(run);
	const char *sort[] = {
		"sort", "-S", "256M", "--parallel=1", input, NULL
	};
	const char *xz[] = { "xz", "-1", "-T1", "-k", "-c", input, NULL };
	const char *gcc[] = { "gcc", "-x", "c",	  "-O2", "-S",
			      "-o",  "-",  input, NULL };
	/* the program itself, not a shell script in PATH */
	const char *python[] = { "/usr/bin/python3", "-c",
				 "d = {}\n"
				 "for i in range(400000):\n"
				 " d[str(i * 7919 % 1000003)] = [i, str(i)]\n"
				 "print(sum(len(k) for k in sorted(d)))",
				 NULL };
	const char *sqlite[] = {
		"sqlite3", ":memory:",
		"create table t as with recursive n(i) as (select 1 union all "
		"select i + 1 from n where i < 600000) select i, i * 7919 % "
		"1000003 as k, hex(i) as s from n; create index x on t(k, s); "
		"select count(distinct s) from t where k > 500000;",
		NULL
	};
	int err = start(run);

	if (!err)
		err = write_input(write_lines, quick ? MIB : 32 * MIB);
	if (!err)
		err = measure(run, "run-sort", sort);
	if (!err)
		err = write_input(write_lines, quick ? MIB / 4 : 4 * MIB);
	if (!err)
		err = measure(run, "run-xz", xz);
	if (!err)
		err = write_input(write_code, quick ? MIB / 64 : MIB / 16);
	if (!err)
		err = measure(run, "run-gcc", gcc);
	if (!err)
		err = measure(run, "run-python3", python);
	return err ? err : measure(run, "run-sqlite3", sqlite);
}

static int in_directory(struct bench_run *run)
{
	int err;

	if (!mkdtemp(dir))
		return -errno;
	snprintf(input, sizeof(input), "%s/input", dir);
	setenv("LC_ALL", "C", 1);
	err = program(run);
	unlink(input);
	rmdir(dir);
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	return err;
}

const struct bench bench_program = {
	"program",
	"programs that fit in RAM, under \"uhmm run\" and without",
	in_directory,
};
