// SPDX-License-Identifier: MIT
/*
 * While a range is given up, another thread moves a mapping into it: what is
 * there afterwards keeps its data when it moves, and pages that were away when
 * they came there have theirs.
 *
 * The step is a function of the library, which is wrapped here.
 */
#include <pthread.h>
#include <sched.h>

#include "../context.h"

#define NPAGES 16
#define NMOVED 4

int __real_uffd_unregister(int fd, uintptr_t start, size_t len);
int __wrap_uffd_unregister(int fd, uintptr_t start, size_t len);

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area, *from;
static bool waits; /* the mapping is still to be moved */
static pthread_t thread;

static void *move_in(void *arg)
{
	(void)arg;
	CHECK(mremap(from, NMOVED * PAGE, NMOVED * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	return NULL;
}

/* The thread waits for its event to be read, with the mapping moved. */
int __wrap_uffd_unregister(int fd, uintptr_t start, size_t len)
{
	unsigned char vec;

	if (waits && start <= (uintptr_t)area &&
	    start + len > (uintptr_t)area) {
		waits = false;
		CHECK_EQ(pthread_create(&thread, NULL, move_in, NULL), 0);
		while (!mincore(from, PAGE, &vec))
			sched_yield();
	}
	return __real_uffd_unregister(fd, start, len);
}

static void give_up(void)
{
	waits = true;
	CHECK_EQ(uhmm_unregister(u, area, NPAGES * PAGE), 0);
	CHECK(!waits);
	pthread_join(thread, NULL);
}

static void verify(void)
{
	test_verify(area, NMOVED, 2);
	CHECK(uhmm_migrate(u, area, NMOVED * PAGE, dev) >= 0);
	test_verify(area, NMOVED, 2);
}

static void map_area(void)
{
	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 1);
}

static void from_within(void)
{
	map_area();
	from = area + 2 * NMOVED * PAGE;
	test_fill(from, NMOVED, 2);
	give_up();
	verify();
}

static void from_outside(void)
{
	map_area();
	from = test_map_blocks(1);
	test_fill(from, NMOVED, 2);
	test_move(u, from, NMOVED, dev);
	give_up();
	verify();
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	from_within();
	from_outside();
	test_close(u);
	return 0;
}
