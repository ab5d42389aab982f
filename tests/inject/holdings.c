// SPDX-License-Identifier: MIT
/* holdings.c - see holdings.h */
#include "holdings.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "test.h"

static size_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

struct holdings count_holdings(void)
{
	struct holdings h = { 0 };
	FILE *f = fopen("/proc/self/maps", "r");
	uintptr_t start, end;
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "[heap]") || strstr(line, "[stack]") ||
		    sscanf(line, "%zx-%zx", &start, &end) != 2)
			continue;
		h.mappings++;
		h.bytes += end - start;
	}
	fclose(f);
	h.fds = count_entries("/proc/self/fd");
	h.threads = count_entries("/proc/self/task");
	return h;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MAPPINGS true /* the sanitizer's come and go */
#else
#define HAS_OWN_MAPPINGS false
#endif

void check_holdings(const struct holdings *was)
{
	struct timespec ms = { 0, 1000 * 1000 };
	struct holdings is = count_holdings();

	for (int i = 0; i < 1000 && is.threads != was->threads; i++) {
		nanosleep(&ms, NULL);
		is = count_holdings();
	}
	CHECK_EQ(is.threads, was->threads);
	CHECK_EQ(is.fds, was->fds);
	if (HAS_OWN_MAPPINGS)
		return;
	CHECK_EQ(is.mappings, was->mappings);
	CHECK_EQ(is.bytes, was->bytes);
}
