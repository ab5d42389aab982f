// SPDX-License-Identifier: MIT
/*
 * Pages are taken by their mapping, in two steps: they are protected, and their
 * mapping moves.  Between the two another thread moves a mapping over them, or
 * them to another place: each page is where the kernel has put it, with its
 * data.
 *
 * The step is a function of the library, which is wrapped here.  Pages that may
 * not be written to are taken by their mapping on every rung.
 */
#include <pthread.h>
#include <sched.h>

#include "../held.h"

#define NPAGES 64
#define NMOVED 8

int __real_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
int __wrap_sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
bool __real_uffd_is_still(void *mm);
bool __wrap_uffd_is_still(void *mm);

static struct uhmm *u;
static struct uhmm_device *dev;
static char *area, *other;
static void (*between)(void);
static pthread_t thread;
static bool is_held;

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

static void let_go(void)
{
	if (is_held)
		held_let_go();
	is_held = false;
}

/* The library waits for what is under way. */
bool __wrap_uffd_is_still(void *mm)
{
	let_go();
	return __real_uffd_is_still(mm);
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

static void *move_away(void *arg)
{
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	(void)arg;
	CHECK(mremap(area, NMOVED * PAGE, NMOVED * PAGE, how, other) == other);
	return NULL;
}

static void start_move_away(void)
{
	CHECK_EQ(pthread_create(&thread, NULL, move_away, NULL), 0);
	held_wait();
	is_held = true;
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

static void race(void (*start)(void), size_t npages)
{
	between = start;
	CHECK_SOON(uhmm_migrate(u, area, npages * PAGE, dev) >= 0 && !between);
	let_go();
	pthread_join(thread, NULL);
}

static void test_over(void)
{
	set_up();
	test_fill(other, NMOVED, 2);
	race(start_move_over, NPAGES);
	test_verify(area, NMOVED, 2);
	verify_rest();
}

/*
 * The pages that another thread moves there are protected already: they are in
 * RAM, and their copies on a device are good.
 */
static void test_over_clean(void)
{
	if (test_mode_is("inline") || !test_has(u, "kernel-faults"))
		return;
	CHECK_EQ(uhmm_set_ram_limit(u, 256 * BLOCK), 0);
	set_up();
	test_fill(other, NMOVED, 2);
	test_move(u, other, NMOVED, dev);
	for (size_t i = 0; i < NMOVED; i++)
		CHECK(*(volatile char *)(other + i * PAGE) ==
		      (char)test_word(2, i * PAGE_WORDS));
	CHECK_EQ(test_info(dev).used, NMOVED);
	CHECK_EQ(test_count_on(u, other, NMOVED, dev), 0);
	race(start_move_over, NMOVED); /* one mapping: it moves */
	CHECK_EQ(uhmm_migrate(u, area, NMOVED * PAGE, NULL), NMOVED);
	test_verify(area, NMOVED, 2);
	verify_rest();
	CHECK_EQ(uhmm_set_ram_limit(u, 0), 0);
}

/* The pages were discarded, and written at once, so count as discarded. */
static void test_over_freed(void)
{
	set_up();
	test_fill(other, NMOVED, 2);
	test_move(u, other, NMOVED, dev);
	test_verify(other, NMOVED, 2);
	CHECK_EQ(madvise(other, NMOVED * PAGE, MADV_FREE), 0);
	test_fill(other, NMOVED, 3);
	race(start_move_over, NMOVED);
	test_verify(area, NMOVED, 3);
	verify_rest();
}

static void test_away(void)
{
	set_up();
	held_watch(other);
	race(start_move_away, NPAGES);
	CHECK_EQ(test_count_on(u, other, NMOVED, dev), 0);
	test_verify(other, NMOVED, 1);
	for (size_t i = 0; i < NMOVED; i++)
		CHECK_EQ(area[i * PAGE], 0);
	verify_rest();
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	test_over();
	test_over_clean();
	test_over_freed();
	test_away();
	test_close(u);
	return 0;
}
