// SPDX-License-Identifier: MIT
/*
 * Memory with a protection key moves and comes home.  The key stays with it,
 * also while it is away, and the library needs no access by the key.
 */
#include <signal.h>

#include "../context.h"

#define NPAGES 700

/* No thread may use @key by now, least of all those of the library. */
static void check_denied(struct uhmm *u, char *p, struct uhmm_device *dev,
			 int key)
{
	CHECK_EQ(pkey_set(key, PKEY_DISABLE_ACCESS), 0);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_read_raises(p), SIGSEGV);
	test_move(u, p, NPAGES, NULL);
	CHECK_EQ(test_read_raises(p + PAGE), SIGSEGV);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_read_raises(p), SIGSEGV);
	CHECK_EQ(pkey_set(key, 0), 0);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p;
	int key;

	test_catch(SIGSEGV);
	u = test_open();
	dev = test_device(u, "zram:16M");
	p = test_map(NPAGES);
	key = pkey_alloc(0, 0);
	if (key < 0)
		test_skip("no protection keys here");
	test_fill(p, NPAGES, 1);
	CHECK_EQ(pkey_mprotect(p, NPAGES * PAGE, PROT_READ | PROT_WRITE, key),
		 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	check_denied(u, p, dev, key);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES, 2);
	check_denied(u, p, dev, key);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_close(u);
	return 0;
}
