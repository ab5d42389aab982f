// SPDX-License-Identifier: MIT
/*
 * uhmm_rescue() in a handler of a fatal signal: all pages are at their
 * addresses afterwards, whatever the limit was, and stay there.  A device that
 * does not answer holds it up no longer than was asked for.
 */
#include "../stuck.h"

#define NPAGES 1024

static struct uhmm *u;
static struct uhmm_device *dev;
static char *p;
static int result;
static sigjmp_buf out;
static struct test_ops ops;
static volatile char *volatile nowhere = (void *)16;

static void on_fault(int sig)
{
	result = uhmm_rescue(u, 1000);
	siglongjmp(out, sig);
}

static void crash(void)
{
	struct sigaction act = { .sa_handler = on_fault };

	CHECK_EQ(sigaction(SIGSEGV, &act, NULL), 0);
	if (!sigsetjmp(out, 1))
		*nowhere = 1;
}

static void check_limit(void)
{
	u = test_open_with((struct uhmm_params){ .flags = UHMM_OPEN_RESCUE,
						 .ram_limit = 256 * PAGE });
	dev = test_device(u, "ram:16M");
	uhmm_device_tier(dev, true);
	p = test_map_blocks(2);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	CHECK(test_nr_present(p, NPAGES) < NPAGES);
	crash();
	CHECK_EQ(result, 0);
	CHECK_EQ(test_nr_present(p, NPAGES), NPAGES);
	test_verify(p, NPAGES, 1);
	/* A second rescue succeeds as well, and no page has left meanwhile. */
	crash();
	CHECK_EQ(result, 0);
	CHECK_EQ(test_nr_present(p, NPAGES), NPAGES);
	CHECK_EQ(test_info(dev).used, 0);
	test_close(u);
	munmap(p, 2 * BLOCK);
}

static void check_stuck(void)
{
	u = test_open_with((struct uhmm_params){ .flags = UHMM_OPEN_RESCUE,
						 .watchdog_ms = 60000 });
	dev = test_device_named(u, &ops, NPAGES, "stuck",
				UHMM_DEVICE_CONCURRENT);
	p = test_map_blocks(2);
	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	ops.hold_out = 1;
	CHECK_EQ(uhmm_rescue(u, 50), -ETIMEDOUT);
	test_release(&ops);
	CHECK_EQ(uhmm_rescue(u, 10000), 0);
	CHECK_EQ(test_nr_present(p, NPAGES), NPAGES);
	test_verify(p, NPAGES, 2);
	test_close(u);
}

static void check_errors(void)
{
	CHECK_EQ(uhmm_rescue(NULL, 1), -EINVAL);
	u = test_open();
	CHECK_EQ(uhmm_rescue(u, 1), -EINVAL);
	test_close(u);
}

int main(void)
{
	check_errors();
	check_limit();
	check_stuck();
	return 0;
}
