// SPDX-License-Identifier: MIT
/*
 * 100,000 scattered pages: each that is placed costs mappings.  As many are
 * placed as leave the process half of what it may have, the others say why and
 * stay; and home again the mappings are as few as before.
 */
#include "../context.h"

#define NPAGES 200000
#define LEN    ((size_t)NPAGES * PAGE)

static size_t nr_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	size_t n = 0;
	int c;

	CHECK(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static size_t max_mappings(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	size_t n = 0;

	CHECK(f && fscanf(f, "%zu", &n) == 1);
	fclose(f);
	return n;
}

static uint64_t *word(char *p, size_t i)
{
	return (uint64_t *)(p + i * PAGE) + i % PAGE_WORDS;
}

static void verify(char *p)
{
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(*word(p, i), test_word(1, i));
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "dax:512M");
	size_t before, there = 0, refused = 0;
	char *p = test_map(NPAGES);

	alarm(120);
	CHECK_EQ(uhmm_register(u, p, LEN), 0);
	for (size_t i = 0; i < NPAGES; i++)
		*word(p, i) = test_word(1, i);
	before = nr_mappings();
	for (size_t i = 0; i < NPAGES; i += 2) {
		uint8_t why;
		ssize_t n = uhmm_migrate_why(u, p + i * PAGE, PAGE, dev, &why);

		CHECK(n >= 0);
		CHECK(n == 1 || why == UHMM_WHY_MAPPINGS);
		there += (size_t)n;
		refused += !n;
		if (refused > 100) /* the rest would be, too */
			break;
	}
	CHECK(there > max_mappings() / 8);
	CHECK(refused > 0);
	CHECK(nr_mappings() < before + max_mappings() / 2 + 16);
	verify(p);
	CHECK_EQ(uhmm_migrate(u, p, LEN, NULL), NPAGES);
	verify(p);
	CHECK(nr_mappings() < before + 16);
	CHECK_EQ(test_info(dev).used, 0);
	test_close(u);
	return 0;
}
