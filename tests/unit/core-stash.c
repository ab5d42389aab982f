// SPDX-License-Identifier: MIT
/*
 * Pages are taken by their mapping, and one in between that is on a device goes
 * along.  If a page arrives with it nevertheless, that one was the program's.
 */
#include "world.h"

#define N  8
#define AT 3

static struct mm_ops ops;
static void (*stash)(struct mm *mm, struct mm_freeze *f);

static void stash_with(struct mm *mm, struct mm_freeze *f)
{
	stash(mm, f);
	CHECK(set_has(&f->want, AT));
	world_pattern((unsigned char *)f->slot + AT * PAGE, AT, 2);
	set_del(&f->holes, AT);
	set_add(&f->framed, AT);
}

int main(void)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = "move" };
	struct world w = world_open(&params);
	struct store s;
	struct uhmm_device *dev = store_add(w.u, &s, STORE_PLAIN, 4 * N);

	world_map(&w, 0, N);
	world_fill(&w, 0, N, 1);
	CHECK_EQ(world_move(&w, AT, 1, dev), 1);
	ops = *w.mm->ops;
	stash = ops.stash;
	ops.stash = stash_with;
	w.mm->ops = &ops;
	CHECK(uhmm_migrate(w.u, world_at(0), N * PAGE, dev) >= N - 1);
	ops.stash = stash;
	CHECK_EQ(world_state(&w, AT), P_RAM);
	CHECK_EQ(device_used(dev), N - 1);
	world_verify(&w, 0, AT, 1);
	world_verify(&w, AT, 1, 2);
	world_verify(&w, AT + 1, N - AT - 1, 1);
	world_close(&w);
	return 0;
}
