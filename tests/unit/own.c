// SPDX-License-Identifier: MIT
/*
 * The library's own memory takes what it uses: no page of it is huge, also
 * where transparent huge pages are on for all memory.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/sys.h"
#include "test.h"

/* The line "VmFlags" of the mapping at @addr. */
static bool flags_at(const void *addr, char *line, int size)
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
	return here;
}

/* Does this machine, which may be emulated, say what was advised? */
static bool is_told(void)
{
	char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char line[512];

	CHECK(p != MAP_FAILED);
	if (madvise(p, 4 << 20, MADV_NOHUGEPAGE))
		return false;
	return flags_at(p, line, sizeof(line)) && strstr(line, " nh");
}

int main(void)
{
	char *p = sys_alloc((size_t)64 << 20);
	char line[512];

	CHECK(p);
	if (!is_told())
		return 77;
	CHECK(flags_at(p, line, sizeof(line)));
	CHECK(strstr(line, " nh"));
	sys_free(p, (size_t)64 << 20);
	return 0;
}
