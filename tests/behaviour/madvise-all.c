// SPDX-License-Identifier: MIT
/*
 * Every advice that madvise(2) takes, on memory that is away: those that only
 * advise leave the data, those that discard leave zeroes.
 */
#include "../context.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define NPAGES 600

static const int harmless[] = {
	MADV_NORMAL,	 MADV_RANDOM,	     MADV_SEQUENTIAL,
	MADV_WILLNEED,	 MADV_COLD,	     MADV_PAGEOUT,
	MADV_HUGEPAGE,	 MADV_NOHUGEPAGE,    MADV_DONTFORK,
	MADV_DOFORK,	 MADV_DONTDUMP,	     MADV_DODUMP,
	MADV_MERGEABLE,	 MADV_UNMERGEABLE,   MADV_WIPEONFORK,
	MADV_KEEPONFORK, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	MADV_COLLAPSE,	 MADV_REMOVE,
};

static const int discarding[] = { MADV_DONTNEED, MADV_FREE };

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:8M");
	char *p = test_map_blocks(2);

	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		test_fill(p, NPAGES, i);
		test_move(u, p, NPAGES, dev);
		madvise(p, NPAGES * PAGE, harmless[i]); /* or refused */
		test_verify(p, NPAGES, i);
	}
	for (size_t i = 0; i < sizeof(discarding) / sizeof(*discarding); i++) {
		test_fill(p, NPAGES, i);
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(madvise(p, NPAGES * PAGE, discarding[i]), 0);
		test_verify_zero(p, NPAGES);
		CHECK_SOON(test_info(dev).used == 0);
	}
	test_close(u);
	return 0;
}
