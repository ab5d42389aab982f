// SPDX-License-Identifier: MIT
/*
 * A limit for all RAM: pages may have what the device and the tables leave.
 *
 * The device says that each of its pages takes so much RAM as the first byte of
 * the page tells.
 */
#include <uhmm/advise.h>

#include "world.h"

#define BLOCKS	   8
#define N	   (BLOCKS * MM_BLOCK_PAGES)
#define LIMIT	   (N / 2)
#define TICK_SHIFT 26			/* as in gain.c */
#define MINUTE	   900			/* ticks */
#define MOST	   1000			/* steps */
#define PACKED(n)  ((unsigned char)(n)) /* 256ths of a page */

static struct uhmm_device_ops ops;
static struct store s;

static _Atomic int64_t packed; /* bytes */
static size_t most_at_once;    /* pages of a call of take() */
static int64_t shrinks, saved; /* bytes that the store gives up meanwhile */

static void count(uint64_t dpfn, size_t npages, int by)
{
	for (size_t i = 0; i < npages; i++) {
		const unsigned char *page = s.data + (dpfn + i) * PAGE;

		atomic_fetch_add(&packed, by * (*page + 1) * (int)PAGE / 256);
	}
}

static int take(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = store_in(priv, seg, nr);
	size_t npages = 0;

	for (size_t i = 0; i < nr; i++)
		npages += seg[i].npages;
	most_at_once = npages > most_at_once ? npages : most_at_once;
	for (size_t i = 0; i < nr && !err; i++)
		count(seg[i].dpfn, seg[i].npages, 1);
	saved += shrinks;
	return err;
}

static void give(void *priv, uint64_t dpfn, size_t npages)
{
	for (size_t i = 0; i < npages; i++)
		if (atomic_load(&s.full[dpfn + i]))
			count(dpfn + i, 1, -1);
	store_free(priv, dpfn, npages);
}

static int usage(void *priv, struct uhmm_device_usage *ret)
{
	(void)priv;
	ret->ram = (uint64_t)(atomic_load(&packed) - saved);
	return 0;
}

static void fill(struct world *w, size_t page, size_t npages, unsigned how)
{
	unsigned char buf[4096];

	for (size_t i = page; i < page + npages; i++) {
		world_pattern(buf, i, 1);
		buf[0] = PACKED(how);
		CHECK_EQ(fake_cpu_write(w->mm, (uintptr_t)world_at(i), buf,
					PAGE),
			 0);
	}
}

static void verify(struct world *w, size_t page, size_t npages, unsigned how)
{
	unsigned char buf[4096], want[4096];

	for (size_t i = page + npages; i-- > page;) {
		world_pattern(want, i, 1);
		want[0] = PACKED(how);
		CHECK_EQ(fake_cpu_read(w->mm, (uintptr_t)world_at(i), buf,
				       PAGE),
			 0);
		CHECK_MEM(buf, want, PAGE);
	}
}

static struct uhmm_device *setup(struct world *w, uint32_t flags,
				 const char *rung)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .flags = flags,
				      .features_off = rung };
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "packed",
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.npages = 2 * N,
		.ops = &ops,
	};
	struct uhmm_device *dev;

	*w = world_open(&params);
	ops = store_ops[STORE_PLAIN];
	ops.copy_to_devmem = take;
	ops.page_free = give;
	ops.usage = usage;
	memset(&s, 0, sizeof(s));
	s.npages = desc.npages;
	store_alloc_memory(&s, false);
	s.full = calloc(s.npages, sizeof(*s.full));
	CHECK(s.full);
	CHECK_EQ(uhmm_device_add(w->u, &desc, &s, &dev), 0);
	world_set_limit(w, LIMIT);
	world_map(w, 0, N);
	CHECK_EQ(uhmm_register(w->u, world_at(0), N * PAGE), 0);
	return dev;
}

/* Until it fits, or nothing is left to do: one of both comes. */
static void demote_all(struct world *w)
{
	struct uhmm_group *root = &w->u->charge.root;
	int steps = 0;

	while (charge_pages(root, 0) > charge_limit(root) && policy_step(w->u))
		CHECK(steps++ < MOST);
}

static uint64_t in_ram(struct world *w)
{
	return charge_pages(&w->u->charge.root, 0);
}

static void finish(struct world *w)
{
	world_check(w);
	CHECK_EQ(uhmm_set_ram_limit(w->u, 0), 0);
	CHECK_EQ(uhmm_migrate(w->u, world_at(0), N * PAGE, NULL), N);
	CHECK_EQ(atomic_load(&w->u->device_ram), 0);
	world_close(w);
}

/* Pages, what they are stored in, and tables are within the limit together. */
static void test_packs(const char *rung)
{
	struct world w;

	setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	fill(&w, 0, N, 63);
	demote_all(&w);
	CHECK(charge_total(w.u) <= LIMIT);
	CHECK(in_ram(&w) > LIMIT / 8); /* and no more is sent than needed */
	CHECK(charge_held(w.u) >= (uint64_t)atomic_load(&packed) / PAGE);
	CHECK_EQ(world_stats(&w).total_pages, charge_total(w.u));
	CHECK(world_stats(&w).total_peak >= N);
	verify(&w, 0, N, 63);
	demote_all(&w);
	CHECK(charge_total(w.u) <= LIMIT);
	finish(&w);
}

/* The limit is for pages alone. */
static void test_resident(const char *rung)
{
	struct world w;

	setup(&w, 0, rung);
	fill(&w, 0, N, 255);
	demote_all(&w);
	CHECK(in_ram(&w) <= LIMIT);
	CHECK(in_ram(&w) > LIMIT / 2);
	CHECK_EQ(charge_limit(&w.u->charge.root), LIMIT);
	finish(&w);
}

/* Pages that do not pack free nothing: after some tries they stay a while. */
static void test_does_not_pack(const char *rung)
{
	struct world w;
	unsigned nr_poor = 0;
	int steps = 0;
	long calls;

	setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	fill(&w, 0, N, 255);
	demote_all(&w);
	CHECK(in_ram(&w) > LIMIT); /* not all was tried */
	verify(&w, 0, N, 255);
	for (uint32_t k = 0; k < atomic_load(&w.u->nr_blocks); k++) {
		struct block *b = w.u->blocks[k];

		nr_poor += b->poor != 0;
		b->poor = 1; /* one may not have been tried, or long ago */
		b->poor_until = (uint32_t)(sys_now_ns() >> TICK_SHIFT) + MINUTE;
	}
	CHECK(nr_poor > 0);
	calls = atomic_load(&s.calls[STORE_IN]);
	while (policy_step(w.u)) /* copies that are there still */
		CHECK(steps++ < MOST);
	CHECK_EQ(atomic_load(&s.calls[STORE_IN]), calls);
	CHECK(charge_total(w.u) > LIMIT);
	finish(&w);
}

/*
 * While pages are copied they take RAM twice.  So few of them go at once until
 * that has freed RAM, the first time too.
 */
static void test_begins_with_few(const char *rung)
{
	struct world w;

	setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	most_at_once = 0;
	fill(&w, 0, N, 255);
	demote_all(&w);
	CHECK(most_at_once > 0);
	CHECK(most_at_once <= 64);
	finish(&w);
	setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	fill(&w, 0, N, 31);
	demote_all(&w);
	CHECK(most_at_once > 64);
	finish(&w);
}

/* Pages that pack make room for the others, which come home and stay. */
static void test_some_packs(const char *rung)
{
	struct world w;

	setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	fill(&w, 0, N / 4, 255);
	fill(&w, N / 4, N - N / 4, 31);
	demote_all(&w);
	verify(&w, 0, N / 4, 255);
	demote_all(&w);
	CHECK(charge_total(w.u) <= LIMIT);
	verify(&w, N / 4, N - N / 4, 31);
	finish(&w);
}

/* However much is held, the program has some pages. */
static void test_least(const char *rung)
{
	struct world w;

	struct uhmm_device *dev = setup(&w, UHMM_OPEN_LIMIT_ALL, rung);

	fill(&w, 0, N, 191);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK(charge_is_passed(&w.u->charge.root));
	CHECK_EQ(charge_limit(&w.u->charge.root), LIMIT / 8 + 1);
	verify(&w, 0, N / 64, 191);
	demote_all(&w);
	CHECK(in_ram(&w) <= LIMIT / 8 + 1);
	finish(&w);
}

/*
 * Where a device below does not store pages in RAM, the packed pages take a
 * part of the limit only, and the limit holds.
 */
static void test_device_below(const char *rung)
{
	struct world w;
	struct uhmm_device *dev = setup(&w, UHMM_OPEN_LIMIT_ALL, rung), *low;
	struct store below;

	low = store_add(w.u, &below, STORE_PLAIN, 2 * N);
	fill(&w, 0, N, 191);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	verify(&w, 0, N / 64, 191);
	demote_all(&w);
	verify(&w, N / 2, N / 4, 191);
	demote_all(&w);
	CHECK(charge_total(w.u) <= LIMIT);
	CHECK(device_used(dev) > 0);
	CHECK(device_used(low) > 0);
	verify(&w, 0, N, 191);
	finish(&w);
}

/* A page that came home to be read is there twice: only few may be. */
static void test_copies(const char *rung)
{
	struct world w;
	struct uhmm_device *dev = setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	size_t clean = 0;

	fill(&w, 0, N / 4, 127);
	CHECK_EQ(world_move(&w, 0, N / 4, dev), N / 4);
	verify(&w, 0, N / 4, 127);
	for (size_t i = 0; i < N / 4; i++)
		clean += world_state(&w, i) == P_CLEAN;
	CHECK(clean > 0);
	CHECK(clean <= LIMIT / 32 * 2 + 64); /* a stream takes many at once */
	finish(&w);
}

/* A store that becomes smaller while pages arrive has freed RAM. */
static void test_shrinks(const char *rung)
{
	const size_t half = N / 2, block = MM_BLOCK_PAGES;
	struct uhmm_device *dev;
	struct world w;

	dev = setup(&w, UHMM_OPEN_LIMIT_ALL, rung);
	world_set_limit(&w, 2 * N);
	fill(&w, 0, N, 63);
	CHECK_EQ(world_move(&w, 0, half, dev), half);
	shrinks = (int64_t)(block * PAGE / 3);
	CHECK_EQ(uhmm_advise(w.u, world_at(half), 3 * block * PAGE,
			     UHMM_ADVICE_PAGEOUT),
		 0);
	CHECK(saved >= 3 * shrinks);
	for (size_t i = half; i < half + 3 * block; i++)
		CHECK_EQ(world_state(&w, i), P_DEVICE);
	shrinks = saved = 0;
	finish(&w);
}

int main(void)
{
	static const char *const rungs[] = { NULL, "move" };

	for (int i = 0; i < 2; i++) {
		test_packs(rungs[i]);
		test_resident(rungs[i]);
		test_does_not_pack(rungs[i]);
		test_begins_with_few(rungs[i]);
		test_some_packs(rungs[i]);
		test_least(rungs[i]);
		test_device_below(rungs[i]);
		test_copies(rungs[i]);
		test_shrinks(rungs[i]);
	}
	return 0;
}
