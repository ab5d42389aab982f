// SPDX-License-Identifier: MIT
/*
 * On the real page table, whichever call to the kernel fails: no data are
 * lost, nothing hangs, every call answers what is documented, and after the
 * close no mapping, descriptor or thread is left.
 */
#include "../context.h"
#include "scenario.h"

/* Where the kernel puts nothing by itself, so that holes stay holes. */
#define BASE ((char *)0x100000000000)

static int open_real(struct place *p, struct uhmm **ret_u)
{
	struct uhmm_params params = { .size = sizeof(params), .nr_threads = 2 };

	(void)p;
	if (test_mode_is("threads"))
		params.fault_mode = UHMM_FAULTS_THREADS;
	if (test_mode_is("inline"))
		params.fault_mode = UHMM_FAULTS_INLINE;
	return uhmm_open(&params, ret_u);
}

static void map_real(struct place *p, size_t page, size_t n)
{
	char *at = p->base + page * PAGE;

	CHECK(mmap(at, n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == at);
}

static void unmap_real(struct place *p, size_t page, size_t n)
{
	CHECK_EQ(munmap(p->base + page * PAGE, n * PAGE), 0);
}

static void discard_real(struct place *p, size_t page, size_t n)
{
	CHECK_EQ(madvise(p->base + page * PAGE, n * PAGE, MADV_DONTNEED), 0);
}

static volatile uint64_t *words_of(struct place *p, size_t page)
{
	return (volatile uint64_t *)(p->base + page * PAGE);
}

static int read_real(struct place *p, size_t page, uint64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = words_of(p, page)[i];
	return 0;
}

static int write_real(struct place *p, size_t page, const uint64_t *words,
		      size_t n)
{
	for (size_t i = 0; i < n; i++)
		words_of(p, page)[i] = words[i];
	return 0;
}

static void let_go_real(struct place *p)
{
	(void)p;
}

int main(int argc, char **argv)
{
	struct place p = { .base = BASE,
			   .open = open_real,
			   .map = map_real,
			   .unmap = unmap_real,
			   .discard = discard_real,
			   .read = read_real,
			   .write = write_real,
			   .let_go = let_go_real,
			   .patience = 20 };

	test_close(test_open()); /* or skip */
	return sweep_main(argc, argv, &p);
}
