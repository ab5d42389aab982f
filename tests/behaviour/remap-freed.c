// SPDX-License-Identifier: MIT
/*
 * Memory that was freed by MADV_FREE, is used again, and goes elsewhere by
 * mremap(2): a mover that comes before the event does not take the page that
 * is gone for a hole.
 */
#include <pthread.h>

#include "../held.h"

#define NPAGES 3

static char *p, *to;

static void *remap(void *arg)
{
	(void)arg;
	CHECK(mremap(p, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	return NULL;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	pthread_t thread;

	p = test_map_blocks(1);
	to = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, p, BLOCK), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(madvise(p + PAGE, PAGE, MADV_FREE), 0);
	test_fill(p, NPAGES, 2);

	held_watch(to);
	CHECK_EQ(pthread_create(&thread, NULL, remap, NULL), 0);
	held_wait();
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), 0);
	held_let_go();
	pthread_join(thread, NULL);

	CHECK_EQ(test_count_on(u, to, NPAGES, NULL), NPAGES);
	test_verify(to, NPAGES, 2);
	test_move(u, to, NPAGES, dev);
	test_verify(to, NPAGES, 2);
	test_close(u);
	return 0;
}
