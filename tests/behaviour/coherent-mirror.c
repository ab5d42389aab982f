// SPDX-License-Identifier: MIT
/*
 * A device's page table has its own coherent pages by dpfn, another's by their
 * address, where it reads what the CPU writes; it is told before they move.  A
 * page that is on its way home into a pin can be mirrored, too.
 */
#include "../asleep.h"
#include "../mirror.h"

#define NPAGES 16

static struct uhmm *u;
static struct test_table own, other;
static struct uhmm_device *dev;
static char *p;

/* The mirror that is told first holds up the move. */
static _Atomic uint32_t hold, held;
static _Atomic pid_t faulter;

static void invalidate(void *priv, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	test_table_invalidate(priv, start, end, why);
	if (hold && why == UHMM_NOTIFY_MIGRATE) {
		test_futex_set(&held, 1);
		test_futex_wait(&hold, 1);
	}
}

static const struct uhmm_mirror_ops holding_ops = {
	.size = sizeof(holding_ops),
	.map = test_table_map,
	.invalidate = invalidate,
};

static void check_entries(void)
{
	test_fault(&own, p, NPAGES, UHMM_FAULT_WRITE);
	test_fault(&other, p, NPAGES, UHMM_FAULT_WRITE);
	for (size_t i = 0; i < NPAGES; i++) {
		uhmm_pfn_t mine = test_entry(&own, p + i * PAGE);
		uhmm_pfn_t its = test_entry(&other, p + i * PAGE);

		CHECK_EQ(uhmm_pfn_device(mine), test_info(dev).id);
		CHECK(mine & UHMM_PFN_VALID && mine & UHMM_PFN_WRITE);
		CHECK_EQ(uhmm_pfn_device(its), 0);
		CHECK(uhmm_pfn_addr(its) == p + i * PAGE);
	}
	/* for neither of them a page had to move */
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
}

static void check_told(void)
{
	unsigned before = own.told[UHMM_NOTIFY_MIGRATE];

	test_move(u, p, NPAGES, NULL);
	CHECK(own.told[UHMM_NOTIFY_MIGRATE] > before);
	CHECK_EQ(test_entries(&own, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK_EQ(test_entries(&other, p, NPAGES, UHMM_PFN_VALID), 0);
	test_verify(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
}

/* One's own alone it can only be in RAM. */
static void check_exclusive(void)
{
	test_fault(&other, p, 1, UHMM_FAULT_EXCLUSIVE);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - 1);
	CHECK_EQ(*(uint64_t *)uhmm_pfn_addr(test_entry(&other, p)),
		 test_word(1, 0));
	test_verify(p, NPAGES, 1);
}

static void *pin(void *arg)
{
	(void)arg;
	CHECK_EQ(uhmm_pin(u, p, PAGE), 0);
	return NULL;
}

static void *fault(void *arg)
{
	(void)arg;
	faulter = asleep_self();
	test_fault(&other, p, 1, 0);
	return NULL;
}

static void check_pinned(void)
{
	static struct test_table table;
	pthread_t t[2];

	table.start = (uintptr_t)p;
	CHECK_EQ(uhmm_mirror_add(u, NULL, 0, dev, &holding_ops, &table,
				 &table.mirror),
		 0);
	test_move(u, p, NPAGES, dev);
	test_fault(&table, p, NPAGES, 0);
	hold = 1;
	CHECK_EQ(pthread_create(&t[0], NULL, pin, NULL), 0);
	test_futex_wait(&held, 0);
	CHECK_EQ(pthread_create(&t[1], NULL, fault, NULL), 0);
	asleep_wait(&faulter);
	test_futex_set(&hold, 0);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	CHECK_EQ(test_entries(&other, p, 1, UHMM_PFN_VALID), 1);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "dax:4M");
	p = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_mirror(u, &own, p, dev);
	test_mirror(u, &other, p, NULL);
	check_entries();
	check_told();
	check_entries();
	check_exclusive();
	check_pinned();
	CHECK_EQ(uhmm_mirror_remove(own.mirror), 0);
	CHECK_EQ(uhmm_mirror_remove(other.mirror), 0);
	test_close(u);
	return 0;
}
