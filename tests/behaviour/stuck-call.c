// SPDX-License-Identifier: MIT
/*
 * A device does not answer: the log says which call, again when it is twice as
 * old, and when it came back; the counters say so too.  All else goes on, also
 * when more threads wait for that device than serve faults.
 */
#include "../stuck.h"

#define NPAGES	  64
#define NTOUCHERS 12 /* more than there are handler threads on most machines */

static struct test_ops ops, other_ops;

static void check_report(const void *page)
{
	char want[128];

	snprintf(want, sizeof(want), "copy to RAM of page %p (dpfn ", page);
	if (!strstr(test_said, want))
		fprintf(stderr, "%s, not: %s\n", want, test_said);
	CHECK(strstr(test_said, want) != NULL);
}

/* Faults on another device, moves to it, and questions. */
static void go_on(struct uhmm *u, struct uhmm_device *dev,
		  struct uhmm_device *other, char *q)
{
	for (int i = 0; i < 3; i++) {
		test_verify(q, NPAGES, 2);
		test_move(u, q, NPAGES, other);
	}
	CHECK_EQ(test_info(dev).npages, 2 * NPAGES);
	CHECK(test_info(dev).stuck >= 1);
	CHECK(test_info(dev).longest_ns >= 40 * 1000 * 1000);
	CHECK_EQ(test_info(other).stuck, 0);
	CHECK(test_stats(u).stuck_calls >= 1);
	CHECK(test_stats(u).longest_call_ns >= 40 * 1000 * 1000);
}

static void run(uint32_t flags)
{
	struct test_toucher t[NTOUCHERS] = { 0 };
	struct uhmm *u = test_open_watched();
	struct uhmm_device *dev, *other;
	char *p = test_map(NPAGES), *q = test_map_blocks(1);

	memset(&ops, 0, sizeof(ops));
	memset(&other_ops, 0, sizeof(other_ops));
	test_reports = test_ends = 0;
	dev = test_device_named(u, &ops, 2 * NPAGES, "stuck", flags);
	other = test_device_named(u, &other_ops, 2 * NPAGES, "other", flags);
	test_fill(p, NPAGES, 1);
	test_fill(q, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	test_move(u, q, NPAGES, other);

	ops.hold_out = 1;
	test_touch(&t[0], p + 3 * PAGE);
	test_await(&test_reports, 1);
	check_report(p + 3 * PAGE);
	go_on(u, dev, other, q);
	test_await(&test_reports, 2);
	for (size_t i = 1; i < NTOUCHERS; i++)
		test_touch(&t[i], p + 5 * i * PAGE);
	go_on(u, dev, other, q);

	CHECK_EQ(test_ends, 0);
	test_release(&ops);
	test_await(&test_ends, 1);
	for (size_t i = 0; i < NTOUCHERS; i++)
		CHECK_EQ(test_touched(&t[i]), 0);
	test_verify(p, NPAGES, 1);
	CHECK_SOON(test_stats(u).stuck_calls == 0);
	CHECK(test_stats(u).longest_call_ns >= 40 * 1000 * 1000);
	test_close(u);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(munmap(q, BLOCK), 0);
}

int main(void)
{
	test_catch_threads();
	run(UHMM_DEVICE_CONCURRENT);
	run(0);
	return 0;
}
