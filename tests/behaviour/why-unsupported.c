// SPDX-License-Identifier: MIT
/*
 * A file mapping and shared memory in the middle of a range stay, for the
 * reason "unsupported"; what is around them goes.
 */
#include <fcntl.h>

#include "../context.h"

#define PART   100
#define NPAGES (5 * PART)

static uint8_t why[NPAGES];

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES), *file = p + PART * PAGE;
	char *shared = p + 3 * PART * PAGE;
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK(fd >= 0);
	test_fill(p, NPAGES, 1);
	CHECK(mmap(file, PART * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
		   0) == file);
	CHECK(mmap(shared, PART * PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == shared);
	test_fill(shared, PART, 2);

	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), 3 * PART);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i],
			 i / PART % 2 ? UHMM_WHY_UNSUPPORTED : UHMM_WHY_OK);
	for (size_t i = 0; i < NPAGES; i++) {
		if (i / PART == 1)
			continue;
		if (i % PART == 0 && i / PART != 3)
			CHECK_EQ(test_count_on(u, p + i * PAGE, PART, dev),
				 PART);
	}
	CHECK_EQ(memcmp(file, "\177ELF", 4), 0);
	test_verify(shared, PART, 2);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, NULL, why), 3 * PART);
	for (size_t i = 0; i < PART; i++)
		CHECK(!memcmp(p + i * PAGE + 8,
			      (uint64_t[]){ test_word(1, i * PAGE_WORDS + 1) },
			      8));
	test_close(u);
	return 0;
}
