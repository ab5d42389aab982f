// SPDX-License-Identifier: MIT
/*
 * One thread unmaps the pages at an address, or moves them elsewhere, and
 * another thread moves pages there.  However late the first thread's event
 * comes, the pages of each are where the kernel has put them.
 */
#include <pthread.h>

#include "../held.h"

#define NPAGES 20

static struct uhmm *u;
static struct uhmm_device *dev;
static char *old, *from, *away;

static char *block_with_page_before(void)
{
	char *p = (char *)test_map_blocks(2) + BLOCK;

	CHECK_EQ(munmap(p - BLOCK, BLOCK - PAGE), 0);
	return p;
}

static void *unmap_old(void *arg)
{
	(void)arg;
	CHECK_EQ(munmap(old - PAGE, BLOCK + PAGE), 0);
	return NULL;
}

static void *move_old_away(void *arg)
{
	(void)arg;
	CHECK(mremap(old, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, away) ==
	      away);
	return NULL;
}

static void put_there(void)
{
	CHECK(mremap(from, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, old) ==
	      old);
}

static void fill(char *p, uint64_t seed)
{
	CHECK_EQ(uhmm_register(u, p, BLOCK), 0);
	test_fill(p, 2 * NPAGES, seed);
	test_move(u, p, NPAGES, dev);
}

static void verify(char *p, uint64_t seed)
{
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	test_verify(p, 2 * NPAGES, seed);
	test_move(u, p, 2 * NPAGES, dev);
	test_verify(p, 2 * NPAGES, seed);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

/*
 * @first, which is held as it unmaps the page at @watched, then put_there()
 * from beginning to end.
 */
static void race(void *(*first)(void *), void *watched)
{
	pthread_t thread;

	held_watch(watched);
	fill(old, 1);
	fill(from, 2);
	CHECK_EQ(pthread_create(&thread, NULL, first, NULL), 0);
	held_wait();
	put_there();
	held_let_go();
	pthread_join(thread, NULL);
	verify(old, 2);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");

	old = block_with_page_before();
	from = test_map_blocks(1);
	race(unmap_old, old - PAGE);
	CHECK_EQ(test_info(dev).used, 0);

	old = test_map_blocks(1);
	from = test_map_blocks(1);
	away = test_map_blocks(1);
	race(move_old_away, away);
	verify(away, 1);
	CHECK_EQ(test_info(dev).used, 0);
	test_close(u);
	return 0;
}
