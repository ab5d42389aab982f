// SPDX-License-Identifier: MIT
/*
 * While one thread unmaps a view of an object, before the library was told,
 * another thread gets the same addresses for other memory: calls on it are
 * about that memory, and not about the object.
 *
 * The unmapping thread goes on when the library waits for it, in a function
 * that is wrapped here.
 */
#include <pthread.h>

#include "../held.h"
#include "../mirror.h"
#include "../object.h"

#define NPAGES 16

bool __real_uffd_is_still(void *mm);
bool __wrap_uffd_is_still(void *mm);

static char *room;
static bool is_held;

bool __wrap_uffd_is_still(void *mm)
{
	if (is_held)
		held_let_go();
	is_held = false;
	return __real_uffd_is_still(mm);
}

static void *unmap(void *arg)
{
	(void)arg;
	CHECK_EQ(munmap(room - PAGE, (NPAGES + 1) * PAGE), 0);
	return NULL;
}

/* A view with a page before it that holds up the thread that unmaps both. */
static void map_view(struct uhmm *u)
{
	char *p = test_view(test_object(u, NPAGES), 0, NPAGES, RW, 0);

	room = (char *)test_map_blocks(1) + PAGE;
	CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
	test_fill(room, NPAGES, 1);
	held_watch(room - PAGE);
}

static void replace_view(pthread_t *t)
{
	CHECK_EQ(pthread_create(t, NULL, unmap, NULL), 0);
	held_wait();
	is_held = true;
	CHECK(mmap(room, NPAGES * PAGE, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == room);
	test_fill(room, NPAGES, 2);
}

int main(void)
{
	static struct test_table table;
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	pthread_t t;

	map_view(u);
	test_mirror(u, &table, room, dev);
	replace_view(&t);
	test_fault(&table, room, NPAGES, UHMM_FAULT_WRITE);
	CHECK(!is_held);
	pthread_join(t, NULL);
	test_move(u, room, NPAGES, dev);
	test_verify(room, NPAGES, 2);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	test_close(u);
	return 0;
}
