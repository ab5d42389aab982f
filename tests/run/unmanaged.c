// SPDX-License-Identifier: MIT
/*
 * unmanaged SHARED MIB SECONDS: so many MiB of shared memory in use, and then
 * so many of private memory, used again and again for so long.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE ((size_t)4096)

static char *map(size_t len, int how)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

int main(int argc, char **argv)
{
	size_t shared = argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	size_t len = argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : PAGE;
	char *p = map(shared + PAGE, MAP_SHARED), *q = map(len, MAP_PRIVATE);
	time_t end = time(NULL) + (argc > 3 ? atoi(argv[3]) : 2);

	memset(p, 1, shared);
	for (int round = 0; time(NULL) <= end; round++)
		for (size_t at = 0; at < len; at += PAGE) {
			if (round && *(size_t *)(void *)(q + at) != at)
				return 1;
			*(size_t *)(void *)(q + at) = at;
		}
	return shared && p[shared / 2] != 1;
}
