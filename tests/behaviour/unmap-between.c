// SPDX-License-Identifier: MIT
/*
 * A mapping is about to be moved, away or in place of another one, and another
 * thread unmaps exactly that range, or maps new memory over it: it stays
 * unmapped, or new.  What is about to be replaced the thread announces, see
 * LIMITS in uhmm(7).
 *
 * The step is a function of the library, which is wrapped here.
 */
#include <pthread.h>

#include <uhmm/mirror.h>

#include "../asleep.h"

#define NPAGES 16

int __real_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);

static struct uhmm *u;
static char *area;
static void *(*_Atomic between)(void *);
static bool announces;
static _Atomic pid_t tid;
static pthread_t thread;

static void begin(void)
{
	tid = asleep_self();
	if (announces)
		CHECK_EQ(uhmm_notify_begin(u, area, NPAGES * PAGE,
					   UHMM_NOTIFY_UNMAP),
			 0);
}

static void *end(void)
{
	if (announces)
		CHECK_EQ(uhmm_notify_end(u, area, NPAGES * PAGE), 0);
	return NULL;
}

static void *unmap(void *arg)
{
	(void)arg;
	begin();
	CHECK_EQ(munmap(area, NPAGES * PAGE), 0);
	return end();
}

static void *map_over(void *arg)
{
	(void)arg;
	begin();
	CHECK(mmap(area, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
	return end();
}

static bool is_in_area(uintptr_t addr)
{
	return addr - (uintptr_t)area < NPAGES * PAGE;
}

/*
 * The thread waits for its event to be read, and new memory can be written to,
 * or, announcing, it waits for this move.
 */
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags)
{
	void *(*fn)(void *) = NULL;

	if (is_in_area(from) || is_in_area(to))
		fn = atomic_exchange(&between, NULL);
	if (fn) {
		tid = 0;
		CHECK_EQ(pthread_create(&thread, NULL, fn, NULL), 0);
		asleep_wait(&tid);
		if (fn == map_over && !announces)
			test_fill(area, NPAGES, 2);
	}
	return __real_sys_mremap(from, to, len, flags);
}

/*
 * Move all of the area to @to, and change it meanwhile.  While an event is
 * under way, the pages are busy and no mapping is moved.
 */
static void race(void *(*fn)(void *), struct uhmm_device *to)
{
	between = fn;
	CHECK_SOON(uhmm_migrate(u, area, NPAGES * PAGE, to) >= 0 && !between);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void set_up(struct uhmm_device *from, int prot)
{
	area = test_map_blocks(1);
	CHECK_EQ(munmap(area + NPAGES * PAGE, BLOCK - NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 1);
	if (from)
		test_move(u, area, NPAGES, from);
	CHECK_EQ(mprotect(area, NPAGES * PAGE, prot), 0);
}

static void test_both(struct uhmm_device *from, struct uhmm_device *to,
		      int prot)
{
	unsigned char vec;

	set_up(from, prot);
	race(unmap, to);
	CHECK_EQ(mincore(area, PAGE, &vec), -1);
	CHECK_EQ(errno, ENOMEM);

	set_up(from, prot);
	race(map_over, to);
	if (announces)
		test_verify_zero(area, NPAGES);
	else
		test_verify(area, NPAGES, 2);
	CHECK_EQ(munmap(area, NPAGES * PAGE), 0);
	CHECK_SOON(!to || !test_info(to).used);
	CHECK_SOON(!from || !test_info(from).used);
}

int main(void)
{
	struct uhmm_device *ram, *dax;

	u = test_open();
	ram = test_device(u, "ram:4M");
	dax = test_device(u, "dax:4M");
	test_both(NULL, ram, PROT_READ);
	announces = true;
	test_both(NULL, dax, PROT_READ | PROT_WRITE);
	test_both(dax, NULL, PROT_READ | PROT_WRITE);
	test_close(u);
	return 0;
}
