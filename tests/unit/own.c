// SPDX-License-Identifier: MIT
/*
 * The library's own memory takes what it uses: no page of it is huge, also
 * where transparent huge pages are on for all memory.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/sys.h"
#include "test.h"

/* The line "VmFlags" of the mapping at @addr. */
static void flags_at(const void *addr, char *line, int size)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = (unsigned long)addr;
	bool here = false;

	CHECK(smaps);
	while (fgets(line, size, smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= at && at < end;
		if (here && !strncmp(line, "VmFlags:", 8))
			break;
	}
	fclose(smaps);
	CHECK(here);
}

int main(void)
{
	char *p = sys_alloc((size_t)64 << 20);
	char line[512];

	CHECK(p);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		return 77;
	flags_at(p, line, sizeof(line));
	CHECK(strstr(line, " nh"));
	sys_free(p, (size_t)64 << 20);
	return 0;
}
