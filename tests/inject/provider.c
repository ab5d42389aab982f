// SPDX-License-Identifier: MIT
/*
 * Each callback of a provider fails at its n-th use, for every n: once or from
 * then on, as an error or for want of room, having done half of its work.  No
 * page is lost, but those that can never be read again: these raise SIGBUS,
 * all others are intact, and uhmm_close() says -EIO for what it lost.
 */
#include <uhmm/provider.h>

#include "../context.h"

#define NPAGES 160
#define FILLED 120 /* the rest is first touched by the device */

enum call {
	IN,
	OUT,
	CLEAR,
	DIRECT,
	NR_CALLS
};

/*
 * @which, @nth, @err, @forever: what fails, 0: nothing; with -EIO only after
 *	half of a segment was written
 * @bad: device page + 1 that cannot be read
 */
static struct {
	enum call which;
	int nth, err;
	bool forever;
	_Atomic int calls;
	_Atomic bool hit;
	_Atomic uint64_t bad;
	char *pages;
} device;

static int fails(enum call which)
{
	int n;

	if (which != device.which || !device.nth)
		return 0;
	n = atomic_fetch_add(&device.calls, 1) + 1;
	if (n != device.nth && (!device.forever || n < device.nth))
		return 0;
	atomic_store(&device.hit, true);
	return device.err;
}

static int copy_in(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = fails(IN);

	(void)priv;
	if (err == -EIO)
		memcpy(device.pages + seg->dpfn * PAGE, seg->ram,
		       seg->npages * PAGE / 2);
	for (; nr && !err; seg++, nr--)
		memcpy(device.pages + seg->dpfn * PAGE, seg->ram,
		       seg->npages * PAGE);
	return err;
}

static bool has_bad(const struct uhmm_segment *seg)
{
	uint64_t bad = atomic_load(&device.bad);

	return bad > seg->dpfn && bad <= seg->dpfn + seg->npages;
}

static int copy_out(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = fails(OUT);

	(void)priv;
	if (err == -EIO)
		memset(seg->ram, 0xee, seg->npages * PAGE / 2);
	for (; nr && !err; seg++, nr--) {
		if (has_bad(seg))
			err = -EIO;
		memcpy(seg->ram, device.pages + seg->dpfn * PAGE,
		       seg->npages * PAGE / (err ? 2 : 1));
	}
	return err;
}

static int clear(void *priv, uint64_t dpfn, size_t npages)
{
	int err = fails(CLEAR);

	(void)priv;
	memset(device.pages + dpfn * PAGE, err ? 0xee : 0, npages * PAGE / 2);
	if (!err)
		memset(device.pages + dpfn * PAGE, 0, npages * PAGE);
	return err;
}

static const void *direct(void *priv, uint64_t dpfn, size_t npages)
{
	(void)priv;
	(void)npages;
	return fails(DIRECT) ? NULL : device.pages + dpfn * PAGE;
}

static struct uhmm_device *add_device(struct uhmm *u, bool is_direct)
{
	static const struct uhmm_device_ops ops[] = {
		{ .size = sizeof(*ops),
		  .copy_to_devmem = copy_in,
		  .copy_to_ram = copy_out,
		  .clear = clear },
		{ .size = sizeof(*ops),
		  .copy_to_devmem = copy_in,
		  .copy_to_ram = copy_out,
		  .clear = clear,
		  .direct = direct },
	};
	struct uhmm_device_desc desc = { .size = sizeof(desc),
					 .name = "bad",
					 .type = UHMM_MEMORY_DEVICE_PRIVATE,
					 .flags = UHMM_DEVICE_CONCURRENT,
					 .npages = 2 * NPAGES,
					 .ops = &ops[is_direct] };
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_add(u, &desc, NULL, &dev), 0);
	return dev;
}

/* ---- What the memory holds ---- */

static uint64_t seeds[NPAGES]; /* 0: zeroes */

static bool may_lose(void)
{
	return device.which == OUT && device.forever &&
	       atomic_load(&device.hit);
}

static bool is_lost(char *p, size_t i)
{
	return test_read_raises(p + i * PAGE);
}

/* A page is intact, or it may be lost and is. */
static void look(char *p, size_t i)
{
	if (is_lost(p, i))
		CHECK(may_lose());
	else if (seeds[i])
		test_verify(p + i * PAGE, 1, seeds[i]);
	else
		test_verify_zero(p + i * PAGE, 1);
}

static void look_at(char *p, size_t first, size_t last)
{
	for (; first < last; first++)
		look(p, first);
}

static void refill(char *p, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++) {
		if (test_write_raises(p + i * PAGE)) {
			CHECK(may_lose());
			continue;
		}
		seeds[i] += 1000 + i;
		test_fill(p + i * PAGE, 1, seeds[i]);
	}
}

static size_t count_lost(char *p)
{
	size_t n = 0;

	for (size_t i = 0; i < NPAGES; i++)
		n += is_lost(p, i);
	return n;
}

/* ---- One callback fails ---- */

static void pin_some(struct uhmm *u, char *p)
{
	int err = uhmm_pin(u, p + 10 * PAGE, 30 * PAGE);

	if (err) {
		CHECK_EQ(err, -EIO);
		CHECK(may_lose());
		return;
	}
	look_at(p, 10, 40);
	CHECK_EQ(uhmm_unpin(u, p + 10 * PAGE, 30 * PAGE), 0);
}

static void use(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	struct uhmm_completion done = { .size = sizeof(done) };

	CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) >= 0);
	look(p, 90);
	look_at(p, 20, 50);
	refill(p, 40, 60);
	refill(p, 115, 125);
	CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) >= 0);
	CHECK(uhmm_migrate(u, p + 60 * PAGE, 80 * PAGE, NULL) >= 0);
	look_at(p, 70, 80);
	pin_some(u, p);
	CHECK_EQ(uhmm_migrate_start(u, p, NPAGES * PAGE, dev, 1), 0);
	while (!uhmm_complete(u, &done, 1))
		usleep(100);
	CHECK(done.result >= 0);
	look(p, 0);
}

/* Lost pages stay so only where the kernel can be told: see uhmm_close(). */
static void finish(struct uhmm *u, char *p)
{
	bool lasts = test_has(u, "poison");
	uint64_t lost = test_stats(u).poisoned;
	bool away[NPAGES];
	int err;

	for (size_t i = 0; i < NPAGES; i++) {
		uhmm_pfn_t pfn = test_pfns(u, p + i * PAGE, 1)[0];

		away[i] = uhmm_pfn_device(pfn) || pfn & UHMM_PFN_ERROR;
	}
	CHECK(may_lose() || !lost);
	err = uhmm_close(u);
	CHECK(!err || (err == -EIO && may_lose()));
	for (size_t i = 0; i < NPAGES; i++)
		if (lasts || !may_lose() || !away[i])
			look(p, i);
	if (lasts)
		CHECK_EQ(err, count_lost(p) > lost ? -EIO : 0);
}

/* Return: whether the callback was called so often. */
static bool run(enum call which, int nth, int err, bool forever)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p = test_map(NPAGES);

	device.which = which;
	device.nth = nth;
	device.err = err;
	device.forever = forever;
	atomic_store(&device.calls, 0);
	atomic_store(&device.hit, false);
	for (size_t i = 0; i < NPAGES; i++)
		seeds[i] = i < FILLED ? i + 1 : 0;
	for (size_t i = 0; i < FILLED; i++)
		test_fill(p + i * PAGE, 1, seeds[i]);
	u = test_open_with((struct uhmm_params){ .nr_threads = 1 });
	uhmm_set_log(u, test_no_log, NULL);
	dev = add_device(u, which == DIRECT);
	use(u, dev, p);
	finish(u, p);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	return atomic_load(&device.hit);
}

static void sweep(enum call which, int err, bool forever)
{
	int n = 1;

	while (run(which, n, err, forever))
		n++;
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%d %d %d: %d\n", which, err, forever, n);
	CHECK(n > 1);
}

/* ---- One page can never be read again ---- */

enum way {
	TOUCH,
	MIGRATE,
	PIN,
	UNREGISTER,
	CLOSE,
	NR_WAYS
};

static void bring_home(struct uhmm *u, char *p, size_t bad, enum way way)
{
	const size_t len = FILLED * PAGE;

	switch (way) {
	case TOUCH:
		CHECK_EQ(test_read_raises(p + bad * PAGE), SIGBUS);
		break;
	case MIGRATE:
		CHECK_EQ(uhmm_migrate(u, p, len, NULL), FILLED - 1);
		CHECK_EQ(test_stats(u).poisoned, 0);
		break;
	case PIN:
		CHECK_EQ(uhmm_pin(u, p, len), -EIO);
		CHECK_EQ(uhmm_unpin(u, p, len), -EINVAL);
		break;
	case UNREGISTER:
		CHECK_EQ(uhmm_unregister(u, p, len), -EIO);
		break;
	default:
		break;
	}
}

static void lose_one(enum way way)
{
	const size_t bad = 77;
	bool lasts, was_lost;
	struct uhmm_device *dev;
	char *p = test_map(FILLED);
	struct uhmm *u;

	device.nth = 0;
	u = test_open_with((struct uhmm_params){ .nr_threads = 1 });
	uhmm_set_log(u, test_no_log, NULL);
	dev = add_device(u, false);
	lasts = test_has(u, "poison");
	test_fill(p, FILLED, 1);
	test_move(u, p, FILLED, dev);
	atomic_store(&device.bad,
		     uhmm_pfn_dpfn(test_pfns(u, p + bad * PAGE, 1)[0]) + 1);
	bring_home(u, p, bad, way);
	was_lost = way == TOUCH || way == UNREGISTER;
	CHECK_EQ(test_stats(u).poisoned, was_lost);
	CHECK_EQ(uhmm_close(u), was_lost ? 0 : -EIO);
	for (size_t i = 0; i < FILLED; i++)
		for (size_t w = 0; i != bad && w < PAGE_WORDS; w++)
			CHECK_EQ(((uint64_t *)p)[i * PAGE_WORDS + w],
				 test_word(1, i * PAGE_WORDS + w));
	if (lasts)
		CHECK_EQ(test_read_raises(p + bad * PAGE), SIGBUS);
	atomic_store(&device.bad, 0);
	CHECK_EQ(munmap(p, FILLED * PAGE), 0);
}

int main(void)
{
	const int errs[] = { -EIO, -ENOSPC };

	test_catch(SIGBUS);
	device.pages = test_map(2 * NPAGES);
	for (int which = 0; which < NR_CALLS; which++)
		for (int i = 0; i < 4; i++)
			sweep((enum call)which, errs[i & 1], i & 2);
	for (int way = 0; way < NR_WAYS; way++)
		lose_one((enum way)way);
	return 0;
}
