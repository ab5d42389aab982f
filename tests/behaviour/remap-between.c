// SPDX-License-Identifier: MIT
/*
 * Pages are taken by their mapping, in two steps: they are protected, and their
 * mapping moves.  Between the two another thread moves a mapping over them: each page is where the kernel has put it, with its
 * data.
 *
 * The step is a function of the library, which is wrapped here.  Pages that may
 * not be written to are taken by their mapping on every rung.
 */
#include <pthread.h>
#include <sched.h>

#include "../context.h"

#define NPAGES 64
#define NMOVED 8

int __real_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area, *other;
static void (*between)(void);
static pthread_t thread;

/* ---- The library's steps ------------------------------------------------ */

int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags)
{
	void (*fn)(void) = between;

	if (fn && flags & MREMAP_DONTUNMAP) {
		between = NULL;
		fn();
	}
	return __real_sys_mremap(from, to, len, flags);
}

/* ---- What another thread does ------------------------------------------- */

static void *move_over(void *arg)
{
	(void)arg;
	CHECK(mremap(other, NMOVED * PAGE, NMOVED * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	return NULL;
}

/* The thread waits for its event to be read, with the mapping moved. */
static void start_move_over(void)
{
	unsigned char vec;

	CHECK_EQ(pthread_create(&thread, NULL, move_over, NULL), 0);
	while (!mincore(other, PAGE, &vec))
		sched_yield();
}

/* ---- Tests -------------------------------------------------------------- */

static void set_up(void)
{
	area = test_map_blocks(1);
	other = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 1);
	CHECK_EQ(mprotect(area, NPAGES * PAGE, PROT_READ), 0);
}

/* Nobody moved these. */
static void verify_rest(void)
{
	const volatile uint64_t *w = (uint64_t *)area;

	for (size_t i = NMOVED * PAGE_WORDS; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(w[i], test_word(1, i));
}

static void race(void (*start)(void))
{
	between = start;
	CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
	CHECK(!between);
	pthread_join(thread, NULL);
}

static void test_over(void)
{
	set_up();
	test_fill(other, NMOVED, 2);
	race(start_move_over);
	test_verify(area, NMOVED, 2);
	verify_rest();
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	test_over();
	test_close(u);
	return 0;
}
