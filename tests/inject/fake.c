// SPDX-License-Identifier: MIT
/*
 * On the fake page table, whichever call of the core to src/sys or to the
 * backend fails: the same as calls.c asserts, under sanitizers too.
 */
#include "../world.h"
#include "scenario.h"

static struct world world;

static int open_fake(struct place *p, struct uhmm **ret_u)
{
	struct uhmm_params params = { .size = sizeof(params) };
	int err = core_open(&params, mm_fake_open, ret_u);

	if (err)
		return err;
	world = (struct world){ .u = *ret_u, .mm = (*ret_u)->mm };
	world_hold(&world);
	fake_set_move(world.mm, p->priv == NULL);
	CHECK_EQ(fake_map(world.mm, FAKE_BASE, FAKE_BASE + NR_PAGES * PAGE,
			  MM_ANON),
		 0);
	return 0;
}

/* The table is as old as the context: open_fake() maps what is there first. */
static void map_fake(struct place *p, size_t page, size_t n)
{
	(void)p;
	if (world.mm)
		world_map(&world, page, n);
}

static void unmap_fake(struct place *p, size_t page, size_t n)
{
	uintptr_t va = FAKE_BASE + page * PAGE;

	(void)p;
	if (world.mm && n < NR_PAGES)
		fake_munmap(world.mm, va, va + n * PAGE);
}

static void discard_fake(struct place *p, size_t page, size_t n)
{
	uintptr_t va = FAKE_BASE + page * PAGE;

	(void)p;
	fake_discard(world.mm, va, va + n * PAGE);
}

static int read_fake(struct place *p, size_t page, uint64_t *ret, size_t n)
{
	(void)p;
	return fake_cpu_read(world.mm, FAKE_BASE + page * PAGE, ret,
			     n * sizeof(*ret));
}

static int write_fake(struct place *p, size_t page, const uint64_t *words,
		      size_t n)
{
	(void)p;
	return fake_cpu_write(world.mm, FAKE_BASE + page * PAGE, words,
			      n * sizeof(*words));
}

static void let_go_fake(struct place *p)
{
	(void)p;
	if (world.mm)
		world_let_go(&world);
}

int main(int argc, char **argv)
{
	struct place p = { .base = (char *)FAKE_BASE,
			   .open = open_fake,
			   .map = map_fake,
			   .unmap = unmap_fake,
			   .discard = discard_fake,
			   .read = read_fake,
			   .write = write_fake,
			   .let_go = let_go_fake,
			   .patience = 60 };

	if (getenv("UHMM_FEATURES_OFF") &&
	    strstr(getenv("UHMM_FEATURES_OFF"), "move"))
		p.priv = &p;
	return sweep_main(argc, argv, &p);
}
