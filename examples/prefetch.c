// SPDX-License-Identifier: MIT
/*
 * prefetch.c - bring the data home that are needed next while the CPU is busy.
 *
 * A long array is compressed, and added up in parts.  While one part is added
 * up, the next part comes home in the background, and the part before goes away
 * again.  So three parts are in RAM at most, and few touches wait.
 * cc -o prefetch prefetch.c $(pkg-config --cflags --libs uhmm)
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <uhmm/uhmm.h>

#define PART   ((size_t)1 << 20)
#define NPARTS 32
#define WORDS  (PART / sizeof(uint64_t))

static uint64_t *data;

static void *part(size_t i)
{
	return (char *)data + i * PART;
}

static uint64_t add_up(const uint64_t *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < WORDS; i++)
		sum += p[i];
	return sum;
}

/* Wait until all @nr completions have been reported. */
static int finish(struct uhmm *u, size_t nr)
{
	struct pollfd fd = { .fd = uhmm_fd(u), .events = POLLIN };
	struct uhmm_completion done[8] = { { .size = sizeof(*done) } };

	while (nr && poll(&fd, 1, -1) > 0) {
		ssize_t n = uhmm_complete(u, done, nr < 8 ? nr : 8);

		if (n < 0)
			return (int)n;
		nr -= (size_t)n;
	}
	return nr != 0;
}

int main(void)
{
	struct uhmm_stats stats = { .size = sizeof(stats) };
	struct uhmm_device *zram;
	size_t started = 0;
	uint64_t sum = 0, wanted = 0;
	struct uhmm *u;

	data = aligned_alloc(uhmm_page_size(), NPARTS * PART);
	if (!data || uhmm_open(NULL, &u) ||
	    uhmm_device_open(u, "zram:64M", &zram))
		return 1;
	for (size_t i = 0; i < NPARTS * WORDS; i++)
		wanted += data[i] = i;
	if (uhmm_migrate(u, data, NPARTS * PART, zram) < 0)
		return 1;
	for (size_t i = 0; i < NPARTS; i++) {
		if (i + 1 < NPARTS &&
		    !uhmm_migrate_start(u, part(i + 1), PART, NULL, i))
			started++;
		sum += add_up(part(i));
		if (!uhmm_migrate_start(u, part(i), PART, zram, i))
			started++;
	}
	if (finish(u, started) || uhmm_stats(u, &stats))
		return 1;
	printf("%ju pages came home, %ju touches waited for one\n",
	       (uintmax_t)stats.to_ram, (uintmax_t)stats.faults);
	return uhmm_close(u) || sum != wanted;
}
