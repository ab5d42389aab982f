// SPDX-License-Identifier: MIT
/*
 * NUMA nodes that are devices, on the fake page table: what the application
 * and the kernel do in the middle of a move, and what limits and refusals
 * leave behind.
 */
#include "sys/fail.h"
#include "world.h"

#define N    20
#define NODE 1
#define FAR  2000 /* a page in another block */

static struct world w;
static struct uhmm_device *dev;

static const struct uhmm_device_ops node_ops = { .size = sizeof(node_ops) };

static int try_node(int node, uint64_t npages, struct uhmm_device **ret)
{
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "node",
		.type = UHMM_MEMORY_DEVICE_COHERENT,
		.flags = UHMM_DEVICE_NODE | UHMM_DEVICE_CONCURRENT,
		.node = node,
		.npages = npages,
		.ops = &node_ops,
	};

	return uhmm_device_add(w.u, &desc, NULL, ret);
}

static void setup(void)
{
	struct uhmm_params params = { .size = sizeof(params) };

	w = world_open(&params);
	fake_set_node(w.mm, NODE, 10000);
	world_map(&w, 0, N);
	world_fill(&w, 0, N, 1);
	CHECK_EQ(try_node(NODE, 1000, &dev), 0);
}

static void finish(void)
{
	fake_on_node_move(w.mm, NULL);
	world_close(&w);
}

static int node_of(size_t page)
{
	return fake_node(w.mm, (uintptr_t)world_at(page));
}

static void check_on(size_t page, size_t npages, bool there)
{
	for (size_t i = page; i < page + npages; i++) {
		CHECK_EQ(node_of(i), there ? NODE : 0);
		CHECK_EQ(world_state(&w, i), there ? P_COHERENT : P_RAM);
	}
}

/* ---- There and back ---------------------------------------------------- */

static void test_kinds(void)
{
	struct store s;
	struct uhmm_device *other;

	setup();
	world_map(&w, N, N); /* never touched */
	other = store_add(w.u, &s, STORE_PLAIN, 100);
	CHECK_EQ(world_move(&w, 0, N / 2, other), N / 2);
	CHECK_EQ(world_move(&w, 0, 2 * N, dev), 2 * N);
	check_on(0, 2 * N, true);
	CHECK_EQ(device_used(dev), 2 * N);
	CHECK_EQ(device_used(other), 0);
	world_check(&w);
	world_verify(&w, 0, N, 1);
	world_verify_zero(&w, N, N);
	CHECK_EQ(world_move(&w, 0, N / 2, other), N / 2);
	CHECK_EQ(world_move(&w, N / 2, N, NULL), N);
	check_on(N / 2, N, false);
	CHECK_EQ(device_used(dev), N / 2);
	world_verify(&w, 0, N, 1);
	finish();
}

static void test_reasons(void)
{
	uint8_t why[N];

	setup();
	fake_mark(w.mm, (uintptr_t)world_at(0), (uintptr_t)world_at(3),
		  FAKE_PINNED, true);
	fake_mark(w.mm, (uintptr_t)world_at(3), (uintptr_t)world_at(5),
		  FAKE_SHARED, true);
	CHECK_EQ(uhmm_pin(w.u, world_at(5), PAGE), 0);
	fake_set_node(w.mm, NODE, N - 10);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), N * PAGE, dev, why),
		 N - 10);
	for (int i = 0; i < N; i++)
		CHECK_EQ(why[i], i < 3		? UHMM_WHY_PINNED :
				 i < 5		? UHMM_WHY_SHARED :
				 i == 5		? UHMM_WHY_PINNED :
				 i < N - 10 + 6 ? UHMM_WHY_OK :
						  UHMM_WHY_NO_ROOM);
	CHECK_EQ(device_used(dev), N - 10);
	world_verify(&w, 0, N, 1);
	CHECK_EQ(uhmm_unpin(w.u, world_at(5), PAGE), 0);
	finish();
}

/* ---- In the middle of a move -------------------------------------------- */

static void discard_some(struct mm *mm)
{
	fake_on_node_move(mm, NULL);
	fake_discard(mm, (uintptr_t)world_at(2), (uintptr_t)world_at(5));
}

static void unmap_some(struct mm *mm)
{
	fake_on_node_move(mm, NULL);
	fake_munmap(mm, (uintptr_t)world_at(2), (uintptr_t)world_at(5));
}

static void remap_some(struct mm *mm)
{
	fake_on_node_move(mm, NULL);
	CHECK_EQ(fake_mremap(mm, (uintptr_t)world_at(2),
			     (uintptr_t)world_at(FAR), 3 * PAGE),
		 0);
}

/* With the pages of a node, on their way there (@out) or home. */
static void move_with(void (*hook)(struct mm *mm), bool out)
{
	setup();
	if (!out)
		CHECK_EQ(world_move(&w, 0, N, dev), N);
	fake_on_node_move(w.mm, hook);
	CHECK_EQ(world_move(&w, 0, N, out ? dev : NULL), out ? N - 3 : N);
	world_verify(&w, 0, 2, 1);
	world_verify(&w, 5, N - 5, 1);
}

static void test_discarded(void)
{
	for (int out = 0; out < 2; out++) {
		move_with(discard_some, out);
		CHECK_EQ(device_used(dev), out ? N - 3 : 0);
		world_check(&w);
		world_verify_zero(&w, 2, 3);
		finish();
	}
}

static void test_unmapped(void)
{
	for (int out = 0; out < 2; out++) {
		move_with(unmap_some, out);
		CHECK_EQ(device_used(dev), out ? N - 3 : 0);
		world_check(&w);
		world_map(&w, 2, 3);
		world_verify_zero(&w, 2, 3);
		finish();
	}
}

/*
 * A word is behind for a while, and then nothing is left on the node when it is
 * removed, nor counted there when it is home.
 */
static void test_remapped(void)
{
	move_with(remap_some, true);
	CHECK_EQ(device_used(dev), N - 3);
	world_check(&w);
	CHECK_EQ(node_of(FAR), NODE);
	world_verify_as(&w, FAR, 3, 2, 1);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(node_of(FAR + i), 0);
	check_on(5, N - 5, false);
	finish();
	move_with(remap_some, false);
	check_on(5, N - 5, false);
	CHECK_EQ(world_move(&w, FAR, 3, NULL), 3);
	CHECK_EQ(device_used(dev), 0);
	check_on(FAR, 3, false);
	world_verify_as(&w, FAR, 3, 2, 1);
	finish();
}

static void drag_both(struct mm *mm)
{
	static int calls;

	if (!calls++) { /* on the way there page 15 is dragged along */
		fake_drag(mm, (uintptr_t)world_at(15), NODE);
		return;
	}
	fake_on_node_move(mm, NULL);
	fake_drag(mm, (uintptr_t)world_at(3), 0);
}

/* A page that went along is sent back, and may drag others home. */
static void test_dragged(void)
{
	uint8_t why[10];

	setup();
	fake_on_node_move(w.mm, drag_both);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), 10 * PAGE, dev, why), 9);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(why[i], i == 3 ? UHMM_WHY_BUSY : UHMM_WHY_OK);
	CHECK_EQ(node_of(15), 0);
	CHECK_EQ(device_used(dev), 9);
	check_on(3, 1, false);
	finish();
}

/* ---- Limits ------------------------------------------------------------- */

static void test_limits(void)
{
	uint8_t why[N];

	setup();
	CHECK_EQ(uhmm_group_set_limit(uhmm_group_root(w.u), dev, 5 * PAGE), 0);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), N * PAGE, dev, why), 5);
	CHECK_EQ(why[0], UHMM_WHY_OK);
	CHECK_EQ(why[N - 1], UHMM_WHY_NO_ROOM);
	CHECK_EQ(device_used(dev), 5);
	finish();
}

/* Only by name, unless it is a tier. */
static void test_tier(void)
{
	struct uhmm_params params = { .size = sizeof(params) };

	for (int move = 0; move < 2; move++) {
		w = world_open(&params);
		fake_set_move(w.mm, move);
		fake_set_node(w.mm, NODE, 10000);
		CHECK_EQ(try_node(NODE, 1000, &dev), 0);
		world_set_limit(&w, 8);
		world_map(&w, 0, N);
		CHECK_EQ(uhmm_register(w.u, world_at(0), N * PAGE), 0);
		world_fill(&w, 0, N, 1);
		while (policy_step(w.u))
			;
		CHECK_EQ(device_used(dev), 0);
		CHECK_EQ(uhmm_device_tier(dev, true), 0);
		while (policy_step(w.u))
			;
		CHECK_EQ(device_used(dev), N);
		check_on(0, N, true);
		world_verify(&w, 0, N, 1);
		finish();
	}
}

/* ---- Coming and going ---------------------------------------------------- */

/* Whatever fails: nothing is left behind, and it works the next time. */
static void test_add_fails(struct uhmm_device *other)
{
	unsigned seen = 0;

	for (int nth = 1;; nth++) {
		const char *failed;
		int err;

		sys_fail_arm(nth);
		err = try_node(2, 10, &other);
		failed = sys_fail_disarm();
		if (err)
			CHECK(!device_get(w.u, 2));
		else
			CHECK_EQ(uhmm_device_remove(other), 0);
		if (!failed)
			break;
		if (strcmp(failed, "fake avoid") &&
		    strcmp(failed, "fake isolate"))
			continue;
		CHECK_EQ(err, -ENOMEM);
		seen++;
	}
	CHECK_EQ(seen, 2);
}

static void test_add(void)
{
	struct uhmm_device *other = NULL;

	setup();
	CHECK_EQ(try_node(NODE, 10, &other), -EBUSY);
	CHECK_EQ(try_node(0, 10, &other), -ENODEV);
	CHECK_EQ(try_node(-1, 10, &other), -EINVAL);
	CHECK_EQ(uhmm_register(w.u, world_at(0), N * PAGE), 0);
	test_add_fails(other);
	finish();
}

/* A page that cannot come home keeps its device; closing leaves it there. */
static void test_stuck(void)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	fake_mark(w.mm, (uintptr_t)world_at(2), (uintptr_t)world_at(5),
		  FAKE_PINNED, true);
	CHECK_EQ(uhmm_device_remove(dev), -EBUSY);
	CHECK_EQ(device_used(dev), 3);
	CHECK_EQ(uhmm_pin(w.u, world_at(2), PAGE), -EBUSY);
	world_check(&w);
	fake_mark(w.mm, (uintptr_t)world_at(2), (uintptr_t)world_at(3),
		  FAKE_PINNED, false);
	CHECK_EQ(world_move(&w, 0, N, NULL), N - 2);
	CHECK_EQ(uhmm_unregister(w.u, world_at(3), PAGE), 0);
	CHECK_EQ(device_used(dev), 1); /* unmanaged, it is nobody's */
	world_verify(&w, 0, N, 1);
	finish();
}

/* The kernel itself reports failed memory, to the processes that use it. */
static void test_lost(void)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK_EQ(uhmm_device_lost(dev), -EOPNOTSUPP);
	CHECK_EQ(uhmm_device_failed(dev, 0, 1), -EOPNOTSUPP);
	check_on(0, N, true);
	world_verify(&w, 0, N, 1);
	finish();
}

int main(void)
{
	test_kinds();
	test_reasons();
	test_discarded();
	test_unmapped();
	test_remapped();
	test_dragged();
	test_limits();
	test_tier();
	test_add();
	test_stuck();
	test_lost();
	return 0;
}
