// SPDX-License-Identifier: MIT
/* sweep.c - see sweep.h */
#include <poll.h>
#include <unistd.h>

#include "sweep.h"

#define NPAGES (MM_BLOCK_PAGES + 64)
#define HOLE   NPAGES /* pages from here on are not mapped */

static const struct sweep *sweep;
static struct space s;
static unsigned char want[NPAGES];

static void *at(size_t page)
{
	return s.at(&s, page);
}

/* ---- Data: a byte a page, at both ends ---------------------------------- */

static void put(size_t page, unsigned char byte)
{
	CHECK_EQ(s.write(&s, page, 0, &byte, 1), 0);
	CHECK_EQ(s.write(&s, page, PAGE - 1, &byte, 1), 0);
	want[page] = byte;
}

static void fill(size_t first, size_t n, unsigned salt)
{
	for (size_t i = first; i < first + n; i++)
		put(i, (unsigned char)(i * 7 + salt));
}

static void verify(size_t first, size_t n)
{
	unsigned char a, b;

	for (size_t i = first; i < first + n; i++) {
		CHECK_EQ(s.read(&s, i, 0, &a, 1), 0);
		CHECK_EQ(s.read(&s, i, PAGE - 1, &b, 1), 0);
		CHECK_EQ(a, want[i]);
		CHECK_EQ(b, want[i]);
	}
}

static void verify_closed(void)
{
	for (size_t i = 0; i < NPAGES; i++) {
		const unsigned char *p = s.peek(&s, i);

		CHECK_EQ(p ? p[0] : 0, want[i]);
		CHECK_EQ(p ? p[PAGE - 1] : 0, want[i]);
	}
}

/* ---- Calls: what fails once works when tried again ----------------------- */

#define TRY(call)                                                 \
	do {                                                      \
		int64_t try_ret = (call);                         \
		if (try_ret < 0)                                  \
			try_ret = (call);                         \
		if (try_ret < 0)                                  \
			fprintf(stderr, "%s: %jd twice\n", #call, \
				(intmax_t)try_ret);               \
		CHECK(try_ret >= 0);                              \
	} while (0)

static int add(unsigned i, enum store_kind kind)
{
	return store_try_add(s.u, &s.store[i], kind, 2 * NPAGES, &s.dev[i]);
}

static int64_t move(size_t first, size_t n, int dev)
{
	return uhmm_migrate(s.u, at(first), n * PAGE,
			    dev < 0 ? NULL : s.dev[dev]);
}

static void async(void)
{
	struct pollfd fd = { .fd = uhmm_fd(s.u), .events = POLLIN };
	struct uhmm_completion c;

	TRY(uhmm_migrate_start(s.u, at(0), 100 * PAGE, s.dev[1], 5));
	CHECK_EQ(poll(&fd, 1, 20000), 1);
	CHECK_EQ(uhmm_complete(s.u, &c, 1), 1);
	CHECK_EQ(c.cookie, 5);
}

static void limit(void)
{
	struct world w = { .u = s.u, .mm = s.u->mm };
	struct policy *p = &s.u->policy;
	int n = 1;

	atomic_store(&p->idle, 1);
	p->running = true;
	TRY(uhmm_set_ram_limit(s.u, 300 * PAGE));
	p->running = false;
	for (int i = 0; i < 10 && n; i++)
		n = policy_step(s.u);
	verify(0, 50);
	for (int i = 0; i < 5; i++)
		policy_step(s.u);
	world_set_limit(&w, 0);
}

static void scenario(long n)
{
	uhmm_pfn_t pfn[NPAGES];

	TRY(add(0, STORE_RICH));
	TRY(add(1, STORE_FAST));
	sweep->arm(&s, n);
	TRY(uhmm_register(s.u, at(0), NPAGES * PAGE));
	fill(0, NPAGES - 20, 1);
	TRY(move(0, NPAGES, 0));
	TRY(uhmm_snapshot(s.u, at(0), NPAGES * PAGE, pfn));
	verify(5, 3);
	fill(200, 40, 2);
	TRY(move(0, 300, 1));
	verify(0, NPAGES);
	TRY(move(0, NPAGES, 1));
	TRY(move(0, NPAGES, -1));
	TRY(uhmm_pin(s.u, at(10), 20 * PAGE));
	TRY(move(0, 100, 0));
	CHECK_EQ(uhmm_unpin(s.u, at(10), 20 * PAGE), 0);
	s.discard(&s, 40, 30);
	memset(want + 40, 0, 30);
	verify(30, 50);
	limit();
	async();
	TRY(move(64, 64, 0));
	s.remap(&s, 64, HOLE, 64);
	s.remap(&s, HOLE, 64, 64);
	verify(0, NPAGES);
	TRY(move(0, NPAGES, 1));
	TRY(uhmm_unregister(s.u, at(500), 50 * PAGE));
	TRY(uhmm_device_remove(s.dev[0]));
	s.dev[0] = NULL;
	TRY(move(0, NPAGES, 1));
}

/* ---- Runs ---------------------------------------------------------------- */

/* All pages of address space that this process has. */
static long nr_mapped(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	CHECK(f && fscanf(f, "%ld", &pages) == 1);
	fclose(f);
	return pages;
}

/* Return: whether something failed. */
static bool one(long n)
{
	struct space_how how = sweep->how;
	bool failed;
	int err;

	alarm(60); /* a hang is a bug */
	memset(&s, 0, sizeof(s));
	memset(want, 0, sizeof(want));
	sweep->arm(&s, n);
	err = sweep->open(&s, &how);
	if (err)
		err = sweep->open(&s, &how);
	CHECK_EQ(err, 0);
	s.map(&s, 0, NPAGES);
	scenario(n);
	err = uhmm_close(s.u);
	s.u = NULL;
	failed = sweep->disarm(&s);
	CHECK_EQ(err, 0);
	CHECK(atomic_load(&s.store[0].is_released));
	CHECK(atomic_load(&s.store[1].is_released));
	verify_closed();
	s.let_go(&s);
	return failed;
}

void sweep_run(const struct sweep *w)
{
	long mapped = 0, n = 1, runs = 0;

	sweep = w;
	while (one(n)) {
		if (++runs == 5)
			mapped = nr_mapped();
		/* handlers that find nothing to read count too: take steps */
		n += s.is_real && !test_is_soak() ? 1 + n / 60 : 1;
	}
	fprintf(stderr, "%s: %ld runs, %ld calls\n", w->name, runs, n - 1);
	/* what each of them leaked adds up; pools of libc's do not */
	if (runs > 50)
		CHECK(nr_mapped() - mapped < runs * 2 + 4096);
}
