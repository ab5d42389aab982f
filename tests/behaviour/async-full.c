// SPDX-License-Identifier: MIT
/*
 * While a device is slow, background moves queue up to a limit, then -EAGAIN;
 * calls that wait still work.  When the device goes on, each is completed
 * once, and new ones can be started.
 */
#include <poll.h>

#include "../device.h"

#define MOST 4096

static struct test_ops ops;
static unsigned seen[MOST];

static void drain(struct uhmm *u, size_t n)
{
	struct pollfd fd = { .fd = uhmm_fd(u), .events = POLLIN };
	struct uhmm_completion done[16] = { { .size = sizeof(*done) } };

	while (n) {
		ssize_t got;

		CHECK_EQ(poll(&fd, 1, 10000), 1);
		got = uhmm_complete(u, done, 16);
		CHECK(got > 0);
		for (ssize_t i = 0; i < got; i++) {
			CHECK_EQ(done[i].result, 1);
			seen[done[i].cookie]++;
		}
		n -= (size_t)got;
	}
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, MOST);
	struct uhmm_device *fast = test_device(u, "ram:1M");
	char *p = test_map(MOST), *q = test_map_blocks(1);
	size_t n = 0;
	int err = 0;

	test_fill(p, MOST, 1);
	test_fill(q, 10, 2);
	ops.hold_in = 1;
	while (n < MOST && !err) {
		err = uhmm_migrate_start(u, p + n * PAGE, PAGE, dev, n);
		n += !err;
	}
	CHECK_EQ(err, -EAGAIN);
	CHECK(n >= 16);
	test_wait_held(&ops);
	test_move(u, q, 10, fast);
	test_verify(q, 10, 2);
	test_release(&ops);
	drain(u, n);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(seen[i], 1);
	CHECK_EQ(uhmm_migrate_start(u, p, PAGE, NULL, n), 0);
	drain(u, 1);
	CHECK_EQ(seen[n], 1);
	test_verify(p, MOST, 1);
	test_close(u);
	return 0;
}
