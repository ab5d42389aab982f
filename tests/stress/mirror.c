// SPDX-License-Identifier: MIT
/*
 * Two devices add to counters through their entries, one of them by exclusive
 * access, while the pages move and threads add on their own: no addition is
 * lost, so no entry was used after the device was told to forget it.
 */
#include "../mirror.h"

#define NPAGES 64

static struct test_table t, t2;
static struct uhmm *u;
static struct uhmm_device *dev;
static char *area;
static _Atomic int running;
static uint64_t rounds;

/* Each adder has a word of its own in each page. */
static void add_by(unsigned who, uint64_t *at)
{
	__atomic_fetch_add(at + who, 1, __ATOMIC_RELAXED);
}

static void *cpu(void *arg)
{
	for (uint64_t i = 0; i < rounds; i++)
		add_by((unsigned)(uintptr_t)arg,
		       (uint64_t *)(area + i % NPAGES * PAGE));
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/*
 * Under the table's lock an entry cannot be invalidated: a frame is the page
 * until then.  The page's own address is good at any time, but may fault.
 */
static bool add_through(struct test_table *m, unsigned who, size_t page)
{
	uint64_t *own = (uint64_t *)(area + page * PAGE), *at = NULL;
	uhmm_pfn_t pfn;

	pthread_mutex_lock(&m->lock);
	pfn = m->pfn[page];
	if (pfn & UHMM_PFN_WRITE && !uhmm_pfn_device(pfn))
		at = uhmm_pfn_addr(pfn);
	if (at && at != own)
		add_by(who, at);
	pthread_mutex_unlock(&m->lock);
	if (at == own)
		add_by(who, own);
	return at;
}

struct adder {
	struct test_table *table;
	unsigned who, flags;
};

static void *device(void *arg)
{
	const struct adder *a = arg;

	for (uint64_t i = 0; i < rounds / 4; i++) {
		size_t page = i % NPAGES;

		while (!add_through(a->table, a->who, page))
			test_fault(a->table, area + page * PAGE, 1, a->flags);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static uint64_t sum(unsigned who)
{
	uint64_t n = 0;

	for (size_t i = 0; i < NPAGES; i++)
		n += *(uint64_t *)(area + i * PAGE + who * 8);
	return n;
}

int main(void)
{
	struct adder exclusive = { &t, 2, UHMM_FAULT_EXCLUSIVE };
	struct adder shared = { &t2, 3, UHMM_FAULT_WRITE };
	pthread_t thread[4];

	rounds = test_is_soak() ? 20000000 : 6000;
	u = test_open();
	dev = test_device(u, "ram:4M");
	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, BLOCK), 0);
	test_mirror(u, &t, area, NULL);
	test_mirror(u, &t2, area, NULL);
	running = 4;
	CHECK_EQ(pthread_create(&thread[0], NULL, cpu, (void *)0), 0);
	CHECK_EQ(pthread_create(&thread[1], NULL, cpu, (void *)1), 0);
	CHECK_EQ(pthread_create(&thread[2], NULL, device, &exclusive), 0);
	CHECK_EQ(pthread_create(&thread[3], NULL, device, &shared), 0);
	while (running) {
		CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
		CHECK(uhmm_migrate(u, area, NPAGES * PAGE, NULL) >= 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	CHECK_EQ(uhmm_mirror_remove(t2.mirror), 0);
	CHECK_EQ(sum(0), rounds);
	CHECK_EQ(sum(1), rounds);
	CHECK_EQ(sum(2), rounds / 4);
	CHECK_EQ(sum(3), rounds / 4);
	test_close(u);
	return 0;
}
