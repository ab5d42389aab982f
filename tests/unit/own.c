// SPDX-License-Identifier: MIT
/*
 * The library's own memory takes what it uses: no page of it is huge, also
 * where transparent huge pages are on for all memory, and the stack of a thread
 * has the pages that threads use.
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

static void do_nothing(void *arg)
{
}

static void check_stack(void)
{
	unsigned char there[1024];
	struct sys_thread t = { 0 };
	size_t n, nr = 0;

	CHECK_EQ(sys_thread_start(&t, do_nothing, NULL, -1, "stack"), 0);
	n = t.stack_len / 4096;
	CHECK(n <= sizeof(there));
	CHECK_EQ(mincore(t.stack, t.stack_len, there), 0);
	for (size_t i = 0; i < n; i++)
		nr += there[i] & 1;
	CHECK(nr >= 16);    /* touched beforehand */
#ifndef __SANITIZE_THREAD__ /* has much there itself */
	CHECK(nr <= 24);
#endif
	sys_thread_join(&t);
}

int main(void)
{
	char *p = sys_alloc((size_t)64 << 20);
	char line[512];

	CHECK(p);
	check_stack();
	if (!is_told())
		return 77;
	CHECK(flags_at(p, line, sizeof(line)));
	CHECK(strstr(line, " nh"));
	sys_free(p, (size_t)64 << 20);
	return 0;
}
