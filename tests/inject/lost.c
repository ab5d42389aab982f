// SPDX-License-Identifier: MIT
/*
 * The device is lost, or pages of it fail, in the middle of the n-th use of
 * each callback that may take its time, for every n.  What was nowhere but
 * there raises SIGBUS, exactly; all else is intact and goes on.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include <uhmm/provider.h>

#include "../context.h"

#define NPAGES 96
#define FILLED 80 /* the rest is first touched by the device */

enum call {
	IN,
	OUT,
	CLEAR,
	NR_CALLS
};

enum deed {
	LOSE,
	FAIL, /* the pages that the call is about, and some more */
	NR_DEEDS
};

static struct {
	struct uhmm *u;
	struct uhmm_device *dev;
	char *p;
	enum call which;
	enum deed deed;
	int nth, calls;
	bool done;
	uint64_t dpfn;
	_Atomic uint32_t asked, answered;
	bool lost[NPAGES];
	uint64_t seed[NPAGES]; /* 0: zeroes */
	char *pages;
} t;

/* ---- The deed, on a thread of its own: a callback may not ---- */

static void wait_for(_Atomic uint32_t *word, uint32_t is)
{
	while (atomic_load(word) == is)
		syscall(SYS_futex, word, FUTEX_WAIT, is, NULL, NULL, 0);
}

static void set(_Atomic uint32_t *word, uint32_t to)
{
	atomic_store(word, to);
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static bool is_hit(uhmm_pfn_t pfn, unsigned id, uint64_t first, uint64_t n)
{
	return uhmm_pfn_device(pfn) == id && uhmm_pfn_dpfn(pfn) >= first &&
	       uhmm_pfn_dpfn(pfn) < first + n;
}

static void do_deed(void)
{
	struct uhmm_device_info info = test_info(t.dev);
	uint64_t first = t.deed == LOSE ? 0 : t.dpfn;
	uint64_t n = info.npages - first;
	uhmm_pfn_t pfn[NPAGES];

	if (t.deed == FAIL && n > 7)
		n = 7;
	CHECK_EQ(uhmm_snapshot(t.u, t.p, NPAGES * PAGE, pfn), 0);
	for (size_t i = 0; i < NPAGES; i++)
		t.lost[i] = is_hit(pfn[i], info.id, first, n);
	if (t.deed == LOSE)
		CHECK_EQ(uhmm_device_lost(t.dev), 0);
	else
		CHECK_EQ(uhmm_device_failed(t.dev, first, n), 0);
}

static void *doer(void *arg)
{
	wait_for(&t.asked, 0);
	if (atomic_load(&t.asked) == 1)
		do_deed();
	set(&t.answered, 1);
	return arg;
}

static void enter(enum call which, uint64_t dpfn)
{
	CHECK(t.deed != LOSE || !t.done); /* none is made any more */
	if (which != t.which || ++t.calls != t.nth)
		return;
	t.dpfn = dpfn;
	t.done = true;
	set(&t.asked, 1);
	wait_for(&t.answered, 0);
}

/* ---- The device ---- */

static char *page_at(uint64_t dpfn)
{
	return t.pages + dpfn * PAGE;
}

static int copy_in(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	enter(IN, seg->dpfn);
	for (; nr; seg++, nr--)
		memcpy(page_at(seg->dpfn), seg->ram, seg->npages * PAGE);
	return 0;
}

static int copy_out(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	enter(OUT, seg->dpfn);
	for (; nr; seg++, nr--)
		memcpy(seg->ram, page_at(seg->dpfn), seg->npages * PAGE);
	return 0;
}

static int clear(void *priv, uint64_t dpfn, size_t npages)
{
	(void)priv;
	enter(CLEAR, dpfn);
	memset(page_at(dpfn), 0, npages * PAGE);
	return 0;
}

static struct uhmm_device *add_device(void)
{
	static const struct uhmm_device_ops ops = { .size = sizeof(ops),
						    .copy_to_devmem = copy_in,
						    .copy_to_ram = copy_out,
						    .clear = clear };
	struct uhmm_device_desc desc = { .size = sizeof(desc),
					 .name = "fragile",
					 .type = UHMM_MEMORY_DEVICE_PRIVATE,
					 .flags = UHMM_DEVICE_CONCURRENT,
					 .npages = 2 * NPAGES,
					 .ops = &ops };
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_add(t.u, &desc, NULL, &dev), 0);
	return dev;
}

/* ---- The memory ---- */

static void look(size_t i)
{
	bool raises = test_read_raises(t.p + i * PAGE);

	if (raises != t.lost[i])
		fprintf(stderr, "page %zu: callback %d, use %d, deed %d\n", i,
			t.which, t.nth, t.deed);
	CHECK_EQ(raises, t.lost[i]);
	if (!raises && t.seed[i])
		test_verify(t.p + i * PAGE, 1, t.seed[i]);
	else if (!raises)
		test_verify_zero(t.p + i * PAGE, 1);
}

static void look_at(size_t first, size_t last)
{
	for (; first < last; first++)
		look(first);
}

static void refill(size_t first, size_t last)
{
	for (size_t i = first; i < last; i++) {
		if (test_write_raises(t.p + i * PAGE)) {
			CHECK(t.lost[i]);
			continue;
		}
		t.seed[i] += 1000 + i;
		test_fill(t.p + i * PAGE, 1, t.seed[i]);
	}
}

/* Return: whether it is there still. */
static bool move(size_t first, size_t n, struct uhmm_device *dev)
{
	ssize_t done = uhmm_migrate(t.u, t.p + first * PAGE, n * PAGE, dev);

	if (done < 0)
		CHECK(done == -ENODEV && t.done && t.deed == LOSE && dev);
	return done >= 0;
}

static void use(void)
{
	struct uhmm_completion c = { .size = sizeof(c) };
	int err;

	move(0, NPAGES, t.dev);
	look(70);
	look_at(10, 30);
	refill(25, 40);
	refill(76, 84);
	move(0, NPAGES, t.dev);
	move(40, 40, NULL);
	look_at(45, 50);
	err = uhmm_pin(t.u, t.p, 8 * PAGE);
	CHECK(!err || (err == -EIO && t.done));
	if (!err)
		CHECK_EQ(uhmm_unpin(t.u, t.p, 8 * PAGE), 0);
	err = uhmm_migrate_start(t.u, t.p, NPAGES * PAGE, t.dev, 1);
	while (!err && !uhmm_complete(t.u, &c, 1))
		usleep(100);
	look(0);
	move(0, NPAGES, NULL);
}

static void finish(pthread_t thread)
{
	int err;

	if (!t.done)
		set(&t.asked, 2);
	pthread_join(thread, NULL);
	look_at(0, NPAGES);
	err = uhmm_device_remove(t.dev);
	CHECK_EQ(err, 0);
	CHECK_EQ(uhmm_close(t.u), 0);
	for (size_t i = 0; i < NPAGES; i++)
		if (!t.lost[i])
			look(i);
	CHECK_EQ(munmap(t.p, NPAGES * PAGE), 0);
}

/* Return: whether the callback was used so often. */
static bool run(enum call which, int nth, enum deed deed)
{
	char *pages = t.pages;
	pthread_t thread;

	memset(&t, 0, sizeof(t));
	t.pages = pages;
	t.which = which;
	t.nth = nth;
	t.deed = deed;
	t.p = test_map(NPAGES);
	for (size_t i = 0; i < FILLED; i++) {
		t.seed[i] = i + 1;
		test_fill(t.p + i * PAGE, 1, t.seed[i]);
	}
	t.u = test_open_with((struct uhmm_params){ .nr_threads = 1 });
	uhmm_set_log(t.u, test_no_log, NULL);
	t.dev = add_device();
	CHECK_EQ(pthread_create(&thread, NULL, doer, NULL), 0);
	use();
	finish(thread);
	return t.done;
}

int main(void)
{
	test_catch(SIGBUS);
	t.pages = test_map(2 * NPAGES);
	for (int which = 0; which < NR_CALLS; which++)
		for (int deed = 0; deed < NR_DEEDS; deed++) {
			int n = 1;

			while (run((enum call)which, n, (enum deed)deed))
				n++;
			CHECK(n > 1);
		}
	return 0;
}
