// SPDX-License-Identifier: MIT
/*
 * ram MIB EIGHTHS: that much data, of which so many eighths do not compress,
 * written, read in order and at random, and written again; verified.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE  ((size_t)4096)
#define WORDS (PAGE / sizeof(uint64_t))

static size_t eighths;

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed ^ *seed >> 29;
}

static uint64_t word(size_t page, unsigned salt, size_t i, uint64_t *seed)
{
	return i % 8 < eighths ? next(seed) : page ^ salt;
}

static uint64_t seed_of(size_t page, unsigned salt)
{
	return (uint64_t)page * 1000003 + salt;
}

static void fill(uint64_t *p, size_t page, unsigned salt)
{
	uint64_t seed = seed_of(page, salt);

	for (size_t i = 0; i < WORDS; i++)
		p[i] = word(page, salt, i, &seed);
}

static void verify(const uint64_t *p, size_t page, unsigned salt)
{
	uint64_t seed = seed_of(page, salt);

	for (size_t i = 0; i < WORDS; i++) {
		if (p[i] == word(page, salt, i, &seed))
			continue;
		fprintf(stderr, "page %zu, word %zu is wrong\n", page, i);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	size_t npages = (argc > 1 ? strtoull(argv[1], NULL, 10) : 32) << 8;
	uint64_t *data = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = 1;

	eighths = argc > 2 ? strtoul(argv[2], NULL, 10) : 2;
	if (data == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < npages; i++)
		fill(data + i * WORDS, i, 1);
	for (size_t i = 0; i < npages; i++)
		verify(data + i * WORDS, i, 1);
	for (size_t k = 0; k < npages; k++) {
		size_t i = next(&seed) % npages;

		verify(data + i * WORDS, i, 1);
	}
	for (size_t i = 0; i < npages; i++)
		fill(data + i * WORDS, i, 2);
	for (size_t i = npages; i-- > 0;)
		verify(data + i * WORDS, i, 2);
	return 0;
}
