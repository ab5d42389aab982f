// SPDX-License-Identifier: MIT
/*
 * Background moves end in the order they were started, poll(2) on uhmm_fd()
 * tells while completions wait, and only then; each says what the call itself
 * would have returned.
 */
#include <poll.h>

#include "../context.h"

#define RANGES 20
#define PART   100

static bool is_ready(struct uhmm *u, int timeout_ms)
{
	struct pollfd fd = { .fd = uhmm_fd(u), .events = POLLIN };

	return poll(&fd, 1, timeout_ms) == 1 && fd.revents & POLLIN;
}

static void collect(struct uhmm *u, uint64_t first, size_t n)
{
	struct uhmm_completion done[3] = { { .size = sizeof(*done) } };

	for (size_t i = 0; i < n;) {
		ssize_t got;

		CHECK(is_ready(u, 10000));
		got = uhmm_complete(u, done, 3);
		CHECK(got > 0 && got <= 3);
		for (ssize_t k = 0; k < got; k++) {
			CHECK_EQ(done[k].cookie, first + i + (size_t)k);
			CHECK_EQ(done[k].result, PART);
		}
		i += (size_t)got;
	}
	CHECK_EQ(uhmm_complete(u, done, 3), 0);
	CHECK(!is_ready(u, 0));
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:32M");
	char *p = test_map(RANGES * PART);
	struct uhmm_completion done = { .size = sizeof(done) };

	test_fill(p, RANGES * PART, 1);
	CHECK(!is_ready(u, 0));
	CHECK_EQ(uhmm_complete(u, &done, 1), 0);
	CHECK_EQ(uhmm_complete(u, NULL, 1), -EINVAL);
	for (size_t i = 0; i < RANGES; i++)
		CHECK_EQ(uhmm_migrate_start(u, p + i * PART * PAGE, PART * PAGE,
					    dev, 1000 + i),
			 0);
	collect(u, 1000, RANGES);
	CHECK_EQ(test_count_on(u, p, RANGES * PART, dev), RANGES * PART);
	for (size_t i = 0; i < RANGES; i++)
		CHECK_EQ(uhmm_migrate_start(u, p + i * PART * PAGE, PART * PAGE,
					    NULL, 2000 + i),
			 0);
	test_verify(p, RANGES * PART, 1); /* while they come */
	collect(u, 2000, RANGES);
	test_verify(p, RANGES * PART, 1);

	CHECK_EQ(uhmm_migrate_start(u, p, PAGE, dev, 7), 0);
	test_close(u); /* with one under way */
	test_verify(p, RANGES * PART, 1);
	return 0;
}
