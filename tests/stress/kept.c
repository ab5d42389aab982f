// SPDX-License-Identifier: MIT
/*
 * Pages go to a device that tells of writes, and come home, while the device
 * adds to some of them by its entries, and a CPU to others.  Whether a page
 * comes home from a kept frame or by a copy, no addition is lost, and a reader
 * on the device never sees a counter go back.
 */
#include "../mirror.h"

#define NPAGES 256

static struct test_table writes, reads;
static struct test_ops ops;
static struct uhmm *u;
static struct uhmm_device *dev;
static char *area;
static unsigned id;
static _Atomic bool stop;
static uint64_t added[2];

/* Each adder has a word of its own in each page. */
static uint64_t *word(size_t page, unsigned who)
{
	return (uint64_t *)(area + page * PAGE) + who;
}

static void add(uint64_t *at)
{
	__atomic_fetch_add(at, 1, __ATOMIC_RELAXED);
}

static void *cpu(void *arg)
{
	uint64_t seed = 1;

	(void)arg;
	while (!atomic_load(&stop)) {
		size_t page = test_below(&seed, NPAGES);

		add(word(page, 0));
		added[0]++;
	}
	return NULL;
}

/*
 * Returns the word of the page on the device, or NULL: the page is in RAM.
 * Caller holds the lock of the table.  An invalidation waits for that lock: the
 * word is the device's until then.
 */
static uint64_t *device_word(uhmm_pfn_t pfn, unsigned who)
{
	if (uhmm_pfn_device(pfn) != id)
		return NULL;
	return (uint64_t *)(ops.pages + uhmm_pfn_dpfn(pfn) * PAGE) + who;
}

static bool add_by_entry(size_t page)
{
	uint64_t *at;
	uhmm_pfn_t pfn;

	pthread_mutex_lock(&writes.lock);
	pfn = writes.pfn[page];
	at = pfn & UHMM_PFN_WRITE ? device_word(pfn, 1) : NULL;
	if (at)
		add(at);
	pthread_mutex_unlock(&writes.lock);
	if (!at && pfn & UHMM_PFN_WRITE)
		add(word(page, 1));
	return pfn & UHMM_PFN_WRITE;
}

static void *writer(void *arg)
{
	uint64_t seed = 2;

	(void)arg;
	while (!atomic_load(&stop)) {
		size_t page = test_below(&seed, NPAGES);

		while (!add_by_entry(page))
			test_fault(&writes, area + page * PAGE, 1,
				   UHMM_FAULT_WRITE);
		added[1]++;
	}
	return NULL;
}

static void *reader(void *arg)
{
	static uint64_t seen[NPAGES][2];
	uint64_t seed = 3;

	(void)arg;
	while (!atomic_load(&stop)) {
		size_t page = test_below(&seed, NPAGES);
		unsigned who = (unsigned)test_below(&seed, 2);
		uint64_t *at, now = 0;

		test_fault(&reads, area + page * PAGE, 1, UHMM_FAULT_PRESENT);
		pthread_mutex_lock(&reads.lock);
		at = device_word(reads.pfn[page], who);
		if (at)
			now = __atomic_load_n(at, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&reads.lock);
		CHECK(!at || now >= seen[page][who]);
		if (at)
			seen[page][who] = now;
	}
	return NULL;
}

static uint64_t sum(unsigned who)
{
	uint64_t n = 0;

	for (size_t i = 0; i < NPAGES; i++)
		n += *word(i, who);
	return n;
}

int main(void)
{
	int moves = test_is_soak() ? 50000 : 500;
	pthread_t thread[3];

	u = test_open();
	dev = test_device_named(u, &ops, 2 * NPAGES, "kept",
				UHMM_DEVICE_CONCURRENT |
					UHMM_DEVICE_TELLS_WRITES);
	id = test_info(dev).id;
	area = test_map_blocks(1);
	memset(area, 0, NPAGES * PAGE);
	test_mirror(u, &writes, area, dev);
	test_mirror(u, &reads, area, dev);
	CHECK_EQ(pthread_create(&thread[0], NULL, cpu, NULL), 0);
	CHECK_EQ(pthread_create(&thread[1], NULL, writer, NULL), 0);
	CHECK_EQ(pthread_create(&thread[2], NULL, reader, NULL), 0);
	while (moves--) {
		CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
		CHECK(uhmm_migrate(u, area, NPAGES * PAGE, NULL) >= 0);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(uhmm_mirror_remove(writes.mirror), 0);
	CHECK_EQ(uhmm_mirror_remove(reads.mirror), 0);
	CHECK_EQ(sum(0), added[0]);
	CHECK_EQ(sum(1), added[1]);
	CHECK_EQ(test_stats(u).unwritten > 0, test_has(u, "move"));
	CHECK_EQ(test_stats(u).kept_pages, 0);
	test_close(u);
	return 0;
}
