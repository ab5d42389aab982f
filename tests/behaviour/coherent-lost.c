// SPDX-License-Identifier: MIT
/*
 * A coherent device is lost, or some of its pages fail.  A touch of a page that
 * was there raises SIGBUS; everything else goes on.
 */
#include <uhmm/provider.h>

#include "../context.h"

#define NPAGES 64

static sigjmp_buf out;
static void *volatile where;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	where = info->si_addr;
	siglongjmp(out, sig);
}

/* Return: whether page @p raises SIGBUS with its address. */
static bool is_lost(char *p)
{
	if (sigsetjmp(out, 1))
		return (char *)where >= p && (char *)where < p + PAGE;
	*(volatile char *)p;
	return false;
}

static uint64_t dpfn_of(struct uhmm *u, char *p)
{
	uhmm_pfn_t pfn;

	CHECK_EQ(uhmm_snapshot(u, p, PAGE, &pfn), 0);
	return uhmm_pfn_dpfn(pfn);
}

int main(void)
{
	struct sigaction bus = { .sa_sigaction = on_bus,
				 .sa_flags = SA_SIGINFO };
	struct uhmm *u;
	struct uhmm_device *dev;
	char *p = test_map_blocks(1), *q = test_map_blocks(1);

	/* first: inline mode passes on what is not its own */
	CHECK_EQ(sigaction(SIGBUS, &bus, NULL), 0);
	u = test_open();
	dev = test_device(u, "dax:4M");
	uhmm_set_log(u, test_no_log, NULL);
	test_fill(p, NPAGES, 1);
	test_fill(q, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_failed(dev, dpfn_of(u, p + 3 * PAGE), 1), 0);
	CHECK(is_lost(p + 3 * PAGE));
	test_verify(p, 3, 1);
	CHECK(!is_lost(p + 4 * PAGE));
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - 1);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(is_lost(p + i * PAGE));
	test_verify(q, NPAGES, 2);
	CHECK_EQ(test_stats(u).poisoned, NPAGES);
	CHECK_EQ(munmap(p, BLOCK), 0);
	uhmm_close(u);
	test_verify(q, NPAGES, 2);
	return 0;
}
