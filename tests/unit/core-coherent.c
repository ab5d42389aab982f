// SPDX-License-Identifier: MIT
/*
 * Device memory that the CPU maps: pages go there and back with their data, and
 * whatever the application does at any moment of that counts, as does the loss
 * of the device.
 */
#include "world.h"

#define N     40
#define SPACE (2 * MM_BLOCK_PAGES)
#define FAR   (MM_BLOCK_PAGES + 7)

static struct world w;
static struct store s;
static struct uhmm_device *dev;

/* ---- Something happens while mappings are replaced --------------------- */

typedef void deed_fn(void);

/* Once: just before, or just after. */
static deed_fn *before_place, *after_place, *before_unplace, *after_unplace;
static int place_err; /* what place() answers, always; 0: what it does */

static void once(deed_fn **fn)
{
	deed_fn *now = *fn;

	*fn = NULL;
	if (now)
		now();
}

static ssize_t place(struct mm *mm, struct mm_place *p)
{
	ssize_t n = place_err;

	once(&before_place);
	if (!n)
		n = w.orig->place(mm, p);
	if (n > 0)
		once(&after_place);
	return n;
}

static ssize_t unplace(struct mm *mm, struct mm_place *p)
{
	ssize_t n;

	once(&before_unplace);
	n = w.orig->unplace(mm, p);
	if (n > 0)
		once(&after_unplace);
	return n;
}

static void setup(void)
{
	w = world_open(NULL);
	world_hold(&w);
	w.ops->place = place;
	w.ops->unplace = unplace;
	world_map(&w, 0, MM_BLOCK_PAGES);
	world_fill(&w, 0, N, 1);
	dev = store_add(w.u, &s, STORE_COHERENT, 2 * N);
}

static void finish(void)
{
	CHECK(!before_place && !after_place);
	CHECK(!before_unplace && !after_unplace);
	world_close(&w);
	CHECK(s.is_released);
	world_let_go(&w);
}

static void check_placed(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		CHECK_EQ(world_state(&w, i), P_COHERENT);
}

/* ---- There and back ---------------------------------------------------- */

static void test_there_and_back(void)
{
	uint64_t faults;

	setup();
	CHECK_EQ(world_move(&w, 0, N + 5, dev), N + 5);
	check_placed(0, N + 5);
	world_check(&w);
	faults = world_stats(&w).spurious + world_stats(&w).faults;
	world_verify(&w, 0, N, 1);
	world_verify_zero(&w, N, 5);
	world_fill(&w, 3, 4, 2);
	check_placed(0, N + 5);
	CHECK_EQ(world_stats(&w).spurious + world_stats(&w).faults, faults);
	CHECK_EQ(world_move(&w, 0, N, NULL), N);
	world_verify(&w, 0, 3, 1);
	world_verify(&w, 3, 4, 2);
	world_verify(&w, 7, N - 7, 1);
	CHECK_EQ(device_used(dev), 5);
	finish();
}

/* Where it cannot be mapped, it stays in RAM. */
static void test_refused(void)
{
	uint8_t why[N];

	setup();
	place_err = -ENOMEM;
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), N * PAGE, dev, why), 0);
	for (int i = 0; i < N; i++)
		CHECK_EQ(why[i], UHMM_WHY_MAPPINGS);
	place_err = 0;
	CHECK_EQ(device_used(dev), 0);
	world_verify(&w, 0, N, 1);
	finish();
}

/* From one kind of device to the other; what finds no room stays. */
static void test_other_device(void)
{
	struct uhmm_device *other;
	struct store o;

	setup();
	other = store_add(w.u, &o, STORE_PLAIN, N - 5);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK_EQ(world_move(&w, 0, N, other), N - 5);
	for (size_t i = 0; i < N - 5; i++)
		CHECK_EQ(world_state(&w, i), P_DEVICE);
	check_placed(N - 5, 5);
	world_check(&w);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	check_placed(0, N);
	CHECK_EQ(device_used(other), 0);
	world_verify(&w, 0, N, 1);
	finish();
}

/* Pages on a device are managed, whatever their mapping looks like. */
static void test_register(void)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK_EQ(uhmm_register(w.u, world_at(0), MM_BLOCK_SIZE), 0);
	CHECK_EQ(uhmm_register(w.u, world_at(0), MM_BLOCK_SIZE + PAGE),
		 -ENOMEM);
	check_placed(0, N);
	finish();
}

/* The device cannot clear it at once. */
static void test_wipe(void)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	atomic_store(&s.fail[STORE_CLEAR], 1);
	fake_discard(w.mm, (uintptr_t)world_at(3), (uintptr_t)world_at(4));
	world_verify_zero(&w, 3, 1);
	check_placed(0, N);
	finish();
}

/* ---- What the application does ----------------------------------------- */

static void discard_three(void)
{
	fake_discard(w.mm, (uintptr_t)world_at(10), (uintptr_t)world_at(13));
}

static void unmap_three(void)
{
	fake_munmap(w.mm, (uintptr_t)world_at(10), (uintptr_t)world_at(13));
}

static void remap_three(void)
{
	CHECK_EQ(fake_mremap(w.mm, (uintptr_t)world_at(10),
			     (uintptr_t)world_at(FAR), 3 * PAGE),
		 0);
}

static void check_discarded(void)
{
	world_verify(&w, 0, 10, 1);
	world_verify_zero(&w, 10, 3);
	world_verify(&w, 13, N - 13, 1);
}

static void check_unmapped(void)
{
	unsigned char byte;

	world_verify(&w, 0, 10, 1);
	CHECK_EQ(fake_cpu_read(w.mm, (uintptr_t)world_at(11), &byte, 1),
		 -EFAULT);
	world_verify(&w, 13, N - 13, 1);
}

static void check_remapped(void)
{
	world_verify(&w, 0, 10, 1);
	world_verify_as(&w, FAR, 3, 10, 1);
	world_verify(&w, 13, N - 13, 1);
}

static const struct deed {
	deed_fn *deed, *check;
} deeds[] = {
	{ discard_three, check_discarded },
	{ unmap_three, check_unmapped },
	{ remap_three, check_remapped },
};

static void check_deed(const struct deed *d)
{
	d->check();
	world_check(&w);
	CHECK(world_move(&w, 0, 10, NULL) >= 0);
	d->check();
	finish();
}

static void test_at_rest(const struct deed *d)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	d->deed();
	world_check(&w);
	check_deed(d);
}

static void test_on_its_way_there(const struct deed *d, deed_fn **when)
{
	setup();
	*when = d->deed;
	CHECK(world_move(&w, 0, N, dev) >= N - 3);
	check_deed(d);
}

static void test_on_its_way_back(const struct deed *d, deed_fn **when)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	*when = d->deed;
	CHECK(world_move(&w, 0, N, NULL) >= N - 3);
	check_deed(d);
}

/* ---- Lost -------------------------------------------------------------- */

static void lose(void)
{
	atomic_store(&s.is_lost, true);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	atomic_store(&s.is_gone, true);
}

static void check_lost(size_t first, size_t n)
{
	unsigned char byte;

	for (size_t i = first; i < first + n; i++)
		CHECK_EQ(fake_cpu_read(w.mm, (uintptr_t)world_at(i), &byte, 1),
			 -EIO);
}

static void test_lost(void)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N / 2, dev), N / 2);
	lose();
	CHECK(s.is_released);
	check_lost(0, N / 2);
	world_verify(&w, N / 2, N / 2, 1);
	CHECK_EQ(world_stats(&w).poisoned, N / 2);
	finish();
}

/* None is left behind with memory of a device that is gone. */
static void test_lost_on_its_way(deed_fn **when, bool back)
{
	uint64_t lost;

	setup();
	if (back)
		CHECK_EQ(world_move(&w, 0, N, dev), N);
	*when = lose;
	CHECK(world_move(&w, 0, N, back ? NULL : dev) >= 0);
	lost = world_stats(&w).poisoned;
	CHECK(lost == 0 || lost == N);
	if (lost)
		check_lost(0, N);
	else
		world_verify(&w, 0, N, 1);
	finish();
}

/* The application acts while what is lost is taken away. */
static void test_lost_meanwhile(const struct deed *d, deed_fn **when)
{
	unsigned char byte;

	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	*when = d->deed;
	lose();
	check_lost(0, 10);
	check_lost(13, N - 13);
	if (d->deed == remap_three)
		check_lost(FAR, 3);
	if (d->deed == discard_three)
		world_verify_zero(&w, 10, 3);
	else
		CHECK_EQ(fake_cpu_read(w.mm, (uintptr_t)world_at(10), &byte, 1),
			 -EFAULT);
	finish();
}

static void test_failed(void)
{
	setup();
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK_EQ(uhmm_device_failed(dev, page_dpfn(world_word(&w, 5)), 1), 0);
	check_lost(5, 1);
	world_verify(&w, 0, 5, 1);
	world_verify(&w, 6, N - 6, 1);
	check_placed(6, N - 6);
	CHECK_EQ(device_used(dev), N - 1);
	finish();
}

int main(void)
{
	test_there_and_back();
	test_refused();
	test_other_device();
	test_register();
	test_wipe();
	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		test_at_rest(&deeds[i]);
		test_on_its_way_there(&deeds[i], &before_place);
		test_on_its_way_there(&deeds[i], &after_place);
		test_on_its_way_back(&deeds[i], &before_unplace);
		test_on_its_way_back(&deeds[i], &after_unplace);
	}
	test_lost();
	test_failed();
	test_lost_on_its_way(&before_place, false);
	test_lost_on_its_way(&after_place, false);
	test_lost_on_its_way(&before_unplace, true);
	test_lost_on_its_way(&after_unplace, true);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		test_lost_meanwhile(&deeds[i], &before_unplace);
		test_lost_meanwhile(&deeds[i], &after_unplace);
	}
	return 0;
}
