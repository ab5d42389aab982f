// SPDX-License-Identifier: MIT
/*
 * A program that does random things with its memory, descriptors, signals,
 * threads and children, and says what came of each: addresses as offsets,
 * processes not at all.  So what it says depends on the seed alone, and
 * differ.sh compares what it says with and without "uhmm run".
 *
 *	differ SEED STEPS
 */
#include <stdarg.h>

#include "differ.h"

struct area areas[NAREAS];
uint64_t seed;

static unsigned long nr_steps;
static const char *name;

void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n, m;

	n = snprintf(line, sizeof(line), "%lu %s: ", nr_steps, name);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n += m;
	line[n++] = '\n';
	for (int at = 0; at < n;) {
		ssize_t ret = write(1, line + at, (size_t)(n - at));

		if (ret <= 0)
			_exit(3);
		at += (int)ret;
	}
}

uint64_t hash(const void *p, size_t len)
{
	const volatile uint64_t *w = p;
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < len / sizeof(*w); i++)
		h = (h ^ w[i]) * 1099511628211u;
	return h;
}

void stamp(void *p, size_t len, uint64_t tag)
{
	volatile uint64_t *w = p;

	for (size_t i = 0; i < len / sizeof(*w); i++)
		w[i] = tag + i;
}

struct area *any_area(bool mapped)
{
	size_t first = below(NAREAS);

	for (size_t k = 0; k < NAREAS; k++) {
		struct area *a = &areas[(first + k) % NAREAS];

		if (a->p && !(mapped && a->is_heap))
			return a;
	}
	return NULL;
}

static void one(const struct step *steps)
{
	size_t nr = 0;

	while (steps[nr].name)
		nr++;
	nr = below(nr);
	name = steps[nr].name;
	steps[nr].run();
}

/* Mostly memory: the rest is about what is in it. */
void run_steps(size_t n)
{
	for (; n--; nr_steps++) {
		switch (below(8)) {
		case 0:
			one(process_steps);
			break;
		case 1:
		case 2:
			one(file_steps);
			break;
		default:
			one(memory_steps);
		}
	}
	name = "end";
	for (size_t k = 0; k < NAREAS; k++)
		if (areas[k].p)
			say("area %zu, %zu pages: %#jx", k, areas[k].n,
			    (uintmax_t)hash(areas[k].p, areas[k].n * PAGE));
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "Usage: differ SEED STEPS\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	closefrom(3);
	run_steps(strtoul(argv[2], NULL, 0));
	return 0;
}
