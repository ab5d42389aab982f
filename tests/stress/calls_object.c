// SPDX-License-Identifier: MIT
/*
 * calls_object.c - calls about shared memory and about budgets that pairs.c
 * makes.
 *
 * The world has one object, and two views of it.  Its pages are owned as the
 * others are, and each has one word.  Some calls make an object of their own.
 */
#include "pairs.h"

pthread_mutex_t no_fork = PTHREAD_MUTEX_INITIALIZER;

static char *any_view(struct caller *c, size_t i)
{
	return world.view[caller_below(c, NVIEWS)] + i * PAGE;
}

static size_t any_part(struct caller *c, size_t *ret_n)
{
	size_t i = caller_below(c, NSHARED);

	*ret_n = 1 + caller_below(c, NSHARED - i);
	return i;
}

static void verify_shared(const char *view, size_t i, uint64_t wanted)
{
	uint64_t is;

	if (!get_word(view + i * PAGE, &is))
		return;
	if (is == wanted || (!is && may_be_forgotten()))
		return;
	print_pair();
	fprintf(stderr, "page %zu of an object: %#jx, not %#jx\n", i,
		(uintmax_t)is, (uintmax_t)wanted);
	test_fail();
}

/* ---- The world's ------------------------------------------------------- */

/* None where the kernel cannot do it. */
void open_shared(void)
{
	int err = uhmm_object_create(world.u, NSHARED * PAGE, 0, &world.object);

	if (err == -EOPNOTSUPP)
		world.object = NULL;
	else
		CHECK_EQ(err, 0);
	for (size_t v = 0; world.object && v < NVIEWS; v++)
		CHECK_EQ(uhmm_object_map(world.object, 0, NSHARED * PAGE,
					 PROT_READ | PROT_WRITE, 0,
					 (void **)&world.view[v]),
			 0);
	memset(world.shared, 0, sizeof(world.shared));
}

void close_shared(void)
{
	if (!world.object)
		return;
	EXPECT("uhmm_object_destroy", uhmm_object_destroy(world.object),
	       pair_flags & LOSES ? EIO : NONE, 0);
	for (size_t v = 0; v < NVIEWS; v++) {
		for (size_t i = 0; i < NSHARED; i++)
			verify_shared(world.view[v], i, world.shared[i]);
		CHECK_EQ(munmap(world.view[v], NSHARED * PAGE), 0);
	}
	world.object = NULL;
}

/* Page @i by one view, when its owner says so. */
void touch_shared(size_t i, uint64_t word)
{
	char *p = world.view[word % NVIEWS];

	if (!world.object)
		return;
	verify_shared(p, i, world.shared[i]);
	world.shared[i] = word;
	put_word(p + i * PAGE, word);
}

void call_object_move(struct caller *c)
{
	size_t n, i = any_part(c, &n);

	if (!world.object)
		return;
	EXPECT("uhmm_migrate",
	       uhmm_migrate(world.u, any_view(c, i), n * PAGE,
			    caller_below(c, 3) ? world.dev : NULL),
	       0);
	EXPECT("uhmm_object_is_mapped", uhmm_object_is_mapped(world.object), 0);
}

/* A run of the caller's: zeroes, then what is written by another view. */
void call_object_discard(struct caller *c)
{
	size_t i = caller_below(c, NSHARED / RUN / 3) * 3 * RUN + c->nr * RUN;
	size_t n = 1 + caller_below(c, RUN);
	int err;

	if (!world.object)
		return;
	if (caller_below(c, 2))
		err = uhmm_object_discard(world.object, i * PAGE, n * PAGE);
	else
		err = uhmm_object_remove(world.u, any_view(c, i), n * PAGE);
	EXPECT("uhmm_object_discard", err, 0);
	for (size_t k = i; k < i + n; k++) {
		world.shared[k] = 0;
		touch_shared(k, test_random(&c->seed));
	}
}

/* One more view, for a while. */
void call_object_view(struct caller *c)
{
	size_t n, i = any_part(c, &n);
	void *p;

	if (!world.object)
		return;
	EXPECT("uhmm_object_map",
	       uhmm_object_map(world.object, i * PAGE, n * PAGE,
			       PROT_READ | PROT_WRITE, 0, &p),
	       0);
	for (size_t k = i; k < i + n; k++)
		if (owner_of(k) == c->nr)
			verify_shared((char *)p - i * PAGE, k, world.shared[k]);
	CHECK_EQ(munmap(p, n * PAGE), 0);
}

/* ---- Objects of the caller's own --------------------------------------- */

static void use_and_destroy(struct caller *c, struct uhmm_object *o, char *p)
{
	uint64_t tag = test_random(&c->seed);

	for (size_t k = 0; k < RUN; k++)
		put_word(p + k * PAGE, tag + k);
	EXPECT("uhmm_migrate", uhmm_migrate(world.u, p, RUN * PAGE, world.dev),
	       0);
	verify_shared(p, 0, tag);
	EXPECT("uhmm_object_destroy", uhmm_object_destroy(o),
	       pair_flags & LOSES ? EIO : NONE, 0);
	for (size_t k = 0; k < RUN; k++)
		verify_shared(p, k, tag + k);
	CHECK_EQ(munmap(p, RUN * PAGE), 0);
}

void call_object_own(struct caller *c)
{
	struct uhmm_object *o;
	void *p;

	if (!world.object)
		return;
	EXPECT("uhmm_object_create",
	       uhmm_object_create(world.u, RUN * PAGE, 0, &o), 0);
	EXPECT("uhmm_object_map",
	       uhmm_object_map(o, 0, RUN * PAGE, PROT_READ | PROT_WRITE, 0, &p),
	       0);
	use_and_destroy(c, o, p);
}

/* No child has it, as is promised below. */
static char *map_unforked(void)
{
	char *p;

	pthread_mutex_lock(&no_fork);
	p = mmap(NULL, RUN * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(madvise(p, RUN * PAGE, MADV_DONTFORK), 0);
	pthread_mutex_unlock(&no_fork);
	return p;
}

void call_object_adopt(struct caller *c)
{
	char *p = map_unforked();
	struct uhmm_object *o;

	if (EXPECT("uhmm_object_adopt",
		   uhmm_object_adopt(world.u, p, UHMM_OBJECT_SOLE, &o), EBUSY,
		   EOPNOTSUPP, 0)) {
		CHECK_EQ(munmap(p, RUN * PAGE), 0);
		return;
	}
	if (caller_below(c, 2))
		CHECK_EQ(madvise(p, RUN * PAGE, MADV_DOFORK), 0);
	use_and_destroy(c, o, p);
}

/* ---- Budgets ----------------------------------------------------------- */

/* Of the file that the world's context may have, too. */
void call_budget(struct caller *c)
{
	struct uhmm_budget_info info = { .size = sizeof(info) };
	struct uhmm_budget *b;
	uint64_t granted;

	EXPECT("uhmm_budget_attach", uhmm_budget_attach(world.budget_path, &b),
	       0);
	EXPECT("uhmm_budget_set",
	       uhmm_budget_set(b, (NPAGES + caller_below(c, 4096)) * PAGE), 0);
	EXPECT("uhmm_budget_claim",
	       uhmm_budget_claim(b, caller_below(c, 64) * PAGE, &granted),
	       EBUSY, 0);
	EXPECT("uhmm_budget_query", uhmm_budget_query(b, &info), 0);
	uhmm_budget_detach(b);
}

/* ---- What changes nothing ---------------------------------------------- */

void call_look(struct caller *c)
{
	struct uhmm_range ranges[4] = { { .size = sizeof(*ranges) } };
	struct uhmm_stats stats = { .size = sizeof(stats) };
	uhmm_pfn_t pfns[NPAGES];
	size_t n = 1 + caller_below(c, NPAGES);

	EXPECT("uhmm_snapshot",
	       uhmm_snapshot(world.u, world.area, n * PAGE, pfns),
	       pair_flags & CHANGES ? ENOMEM : NONE, 0);
	EXPECT("uhmm_mirror_snapshot",
	       uhmm_mirror_snapshot(world.table.mirror, world.area, n * PAGE,
				    pfns),
	       pair_flags & CHANGES ? ENOMEM : NONE, 0);
	EXPECT("uhmm_ranges", uhmm_ranges(world.u, NULL, ranges, 4), 0);
	EXPECT("uhmm_range_pages",
	       uhmm_range_pages(world.u, world.area, n * PAGE, world.dev), 0);
	EXPECT("uhmm_stats", uhmm_stats(world.u, &stats), 0);
}
