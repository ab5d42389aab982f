// SPDX-License-Identifier: MIT
/*
 * hello.c - move a buffer to a device, and let the CPU take it back.
 *
 * The pointer stays the same all the while; only the place of the pages
 * changes.
 * cc -o hello hello.c $(pkg-config --cflags --libs uhmm)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/uhmm.h>

#define LEN ((size_t)8 << 20)

static void report(struct uhmm *u, const char *when)
{
	struct uhmm_stats stats = { .size = sizeof(stats) };

	if (!uhmm_stats(u, &stats))
		printf("%-12s %5ju pages on the device, %4ju faults\n", when,
		       (uintmax_t)stats.device_pages, (uintmax_t)stats.faults);
}

static void check(int err, const char *what)
{
	if (err < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-err));
		exit(1);
	}
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *buf = aligned_alloc(uhmm_page_size(), LEN);

	if (!buf)
		return 1;
	memset(buf, 'x', LEN);
	check(uhmm_open(NULL, &u), "uhmm_open");
	check(uhmm_device_open(u, "zram:64M", &dev), "uhmm_device_open");
	check((int)uhmm_migrate(u, buf, LEN, dev), "uhmm_migrate");
	report(u, "migrated");
	buf[LEN / 2]++; /* comes home by itself */
	report(u, "touched");
	check((int)uhmm_migrate(u, buf, LEN, NULL), "uhmm_migrate");
	report(u, "home");
	check(uhmm_close(u), "uhmm_close");
	return buf[0] == 'x' && buf[LEN / 2] == 'y' ? 0 : 1;
}
