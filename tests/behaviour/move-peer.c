// SPDX-License-Identifier: MIT
/*
 * From device to device: pages go without coming home, directly where the
 * provider can and through frames where it cannot; the mirror of the old owner
 * is told.  What fails stays where it was, or takes the way through RAM.
 */
#include "../mirror.h"

#define NPAGES 300

static struct test_table t;
static struct test_ops plain;
static struct uhmm *u;
static char *p;

static void go(struct uhmm_device *from, struct uhmm_device *to)
{
	uint64_t home;

	test_move(u, p, NPAGES, from);
	home = test_stats(u).to_ram;
	test_mirror(u, &t, p, from);
	test_fault(&t, p, NPAGES, 0);
	test_move(u, p, NPAGES, to);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	CHECK_EQ(test_stats(u).to_ram, home); /* none was mapped */
	CHECK_EQ(test_count_on(u, p, NPAGES, to), NPAGES);
	CHECK_SOON(test_info(from).used == 0);
}

int main(void)
{
	struct uhmm_device *a, *b, *other, *small;

	u = test_open();
	a = test_device(u, "ram:4M");
	b = test_device(u, "ram:4M");
	small = test_device(u, "ram:400K");
	other = test_device_of(u, &plain, 1000);
	p = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	go(a, b);
	CHECK_EQ(test_info(b).pages_in, 0); /* not through RAM */
	go(b, other);
	go(other, a);
	test_verify(p, NPAGES, 1);
	/* as many as there is room for; the others stay */
	test_move(u, p, NPAGES, a);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, small), 100);
	CHECK_EQ(test_count_on(u, p, NPAGES, a), NPAGES - 100);
	test_verify(p, NPAGES, 1);
	/* a copy that fails: nothing is lost */
	test_move(u, p, NPAGES, a);
	plain.fail_in = 1;
	CHECK(uhmm_migrate(u, p, NPAGES * PAGE, other) >= 0);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
