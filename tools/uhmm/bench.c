// SPDX-License-Identifier: MIT
/*
 * uhmm bench: runs the benchmarks of bench/ and prints their figures, as a
 * table or as JSON.  The benchmarks do the measuring.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "bench/bench.h"
#include "tool.h"

static const char name[] = "bench";

struct bench_run {
	bool quick;
	json_object *figures; /* NULL: a table on standard output */
	const struct bench *now;
	unsigned missed; /* number of figures that miss their bar */
};

bool bench_quick(const struct bench_run *run)
{
	return run->quick;
}

/*
 * The value that the bar limits: the ratio, or the value itself if the figure
 * has no bare run to compare with.
 */
static double result(const struct bench_figure *f)
{
	return f->bare > 0 ? f->ratio : f->value;
}

/* A figure without a bar always passes. */
static bool meets_bar(const struct bench_figure *f)
{
	if (f->bar <= 0)
		return true;
	return f->more_is_better ? result(f) >= f->bar : result(f) <= f->bar;
}

static void print_number(double value, const char *fmt)
{
	char text[32];

	snprintf(text, sizeof(text), fmt, value);
	printf(" %9s", value > 0 ? text : "-");
}

static void print_heading(void)
{
	printf("Medians of rounds in which the bare primitive and uhmm take "
	       "turns. Pinned to the\nfirst CPU; the second thread spins on "
	       "the second.\n\n");
	printf("%-30s %-13s %8s %9s %9s %9s %-5s %9s %17s\n", "figure",
	       "condition", "bar", "ratio", "bare", "uhmm", "unit", "p99",
	       "min-max");
}

static void print_bar(const struct bench_figure *f)
{
	char text[32] = "-";

	if (f->bar > 0)
		snprintf(text, sizeof(text), "%s%.2f",
			 f->more_is_better ? ">=" : "<=", f->bar);
	printf(" %8s", text);
}

static void print_figure(const struct bench_figure *f)
{
	char spread[48];

	snprintf(spread, sizeof(spread), "%.4g-%.4g", f->min, f->max);
	printf("%-30s %-13s", f->name, f->condition ? f->condition : "-");
	print_bar(f);
	print_number(f->ratio, "%.3f");
	print_number(f->bare, "%.4g");
	print_number(f->value, "%.4g");
	printf(" %-5s", f->unit);
	print_number(f->p99, "%.4g");
	printf(" %17s%s\n", spread,
	       f->bar <= 0  ? "" :
	       meets_bar(f) ? "  PASS" :
			      "  MISS");
	fflush(stdout);
}

static void add_result(json_object *to, const char *key, double value)
{
	if (value > 0)
		json_object_object_add(to, key, json_object_new_double(value));
}

static void add_string(json_object *to, const char *key, const char *value)
{
	if (value)
		json_object_object_add(to, key, json_object_new_string(value));
}

static void add_figure(struct bench_run *run, const struct bench_figure *f)
{
	json_object *o = json_object_new_object();

	add_string(o, "bench", run->now->name);
	add_string(o, "name", f->name);
	add_string(o, "condition", f->condition);
	add_string(o, "unit", f->unit);
	add_result(o, "median", f->value);
	add_result(o, "p99", f->p99);
	add_result(o, "min", f->min);
	add_result(o, "max", f->max);
	add_result(o, "bare", f->bare);
	add_result(o, "ratio", f->ratio);
	add_result(o, "bar", f->bar);
	if (f->bar > 0) {
		add_string(o, "sense", f->more_is_better ? ">=" : "<=");
		json_object_object_add(o, "met",
				       json_object_new_boolean(meets_bar(f)));
	}
	json_object_array_add(run->figures, o);
}

void bench_report(struct bench_run *run, const struct bench_figure *f)
{
	if (!meets_bar(f))
		run->missed++;
	if (run->figures)
		add_figure(run, f);
	else
		print_figure(f);
}

static void help_bench(void)
{
	printf("Usage: uhmm bench [OPTION]... [PATTERN]...\n\n"
	       "Measure, each figure against the bare primitive in the same "
	       "run.  A PATTERN is a\n"
	       "part of the names to run; without one all run.\n\n"
	       "  --list   print the names and stop\n"
	       "  --json   the result as JSON\n"
	       "  --quick  fewer repetitions: a trial, not a result\n"
	       "  --help   this text\n");
}

static bool is_wanted(const struct bench *b, char **patterns)
{
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (strstr(b->name, *patterns))
			return true;
	return false;
}

static int list(char **patterns)
{
	for (size_t i = 0; bench_table[i]; i++)
		if (is_wanted(bench_table[i], patterns))
			printf("%-28s  %s\n", bench_table[i]->name,
			       bench_table[i]->what);
	return EXIT_SUCCESS;
}

/* 0: no benchmark matches @patterns. */
static size_t count_wanted(char **patterns)
{
	size_t nr = 0;

	for (size_t i = 0; bench_table[i]; i++)
		nr += is_wanted(bench_table[i], patterns);
	return nr;
}

static int run_all(struct bench_run *run, char **patterns)
{
	int status = EXIT_SUCCESS;

	for (size_t i = 0; bench_table[i]; i++) {
		int err;

		if (!is_wanted(bench_table[i], patterns))
			continue;
		run->now = bench_table[i];
		err = run->now->fn(run);
		if (!err)
			continue;
		if (err == -EOPNOTSUPP) {
			complain(name,
				 "%s cannot run on this machine; \"uhmm "
				 "doctor\" says what is missing",
				 run->now->name);
			continue;
		}
		complain(name,
			 "%s failed: %s; \"uhmm doctor\" says what is missing",
			 run->now->name, strerror(-err));
		status = EXIT_FAILURE;
	}
	return status;
}

static json_object *describe_machine(void)
{
	json_object *o = json_object_new_object();
	struct utsname u;

	if (uname(&u) == 0) {
		add_string(o, "kernel", u.release);
		add_string(o, "machine", u.machine);
	}
	add_result(o, "cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
	add_result(o, "ram_bytes",
		   (double)sysconf(_SC_PHYS_PAGES) *
			   (double)sysconf(_SC_PAGESIZE));
	return o;
}

static int run_json(struct bench_run *run, char **patterns)
{
	json_object *top = json_object_new_object();
	int status;

	run->figures = json_object_new_array();
	json_object_object_add(top, "machine", describe_machine());
	json_object_object_add(top, "figures", run->figures);
	status = run_all(run, patterns);
	printf("%s\n",
	       json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY));
	json_object_put(top);
	return status;
}

static int run_table(struct bench_run *run, char **patterns)
{
	int status;

	print_heading();
	status = run_all(run, patterns);
	if (run->missed)
		printf("%u figures miss their bar\n", run->missed);
	return status;
}

int cmd_bench(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "quick", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct bench_run run = { 0 };
	bool json = false, wants_list = false;
	int opt, status;

	while ((opt = next_option(name, argc, argv, options, help_bench,
				  &status)) > 0) {
		wants_list = wants_list || opt == 'l';
		json = json || opt == 'j';
		run.quick = run.quick || opt == 'q';
	}
	if (!opt)
		return status;
	argv += optind;
	if (*argv && !count_wanted(argv)) {
		complain(name,
			 "no benchmark has %s in its name; see \"uhmm "
			 "bench --list\"",
			 *argv);
		return EXIT_USAGE;
	}
	if (wants_list)
		return list(argv);
	return json ? run_json(&run, argv) : run_table(&run, argv);
}
