// SPDX-License-Identifier: MIT
/*
 * Which pages leave, by traces that a rule makes: a loop and a scan that are
 * larger than RAM do not drive out all that is used, and where no order helps
 * little is lost.
 */
#include <stdlib.h>

#include "bench/harness.h"
#include "bench/trace.h"
#include "test.h"

_Noreturn void bench_die(const char *what, int err)
{
	fprintf(stderr, "%s: %d\n", what, err);
	exit(1);
}

/* At most @most percent of the faults of LRU. */
static void test_trace(const char *name, unsigned ram_percent, unsigned most)
{
	struct trace t;
	uint32_t ram;
	uint64_t lru, got;

	CHECK_EQ(trace_open(&t, name), 0);
	ram = t.peak / 100 * ram_percent;
	lru = replay_lru(&t, ram).faults;
	got = replay_cold(&t, ram).faults;
	CHECK(got * 100 <= lru * most);
	CHECK(replay_min(&t, ram).faults <= got);
	CHECK(replay_min(&t, ram).faults <= replay_clock(&t, ram).faults);
	trace_close(&t);
}

int main(void)
{
	test_trace("loop", 75, 40);
	test_trace("loop", 25, 80);
	test_trace("chase", 50, 60);
	test_trace("scan", 50, 75);
	test_trace("scan", 25, 99);
	test_trace("random", 50, 105);
	test_trace("zipf", 75, 110);
	test_trace("zipf", 25, 100);
	return 0;
}
