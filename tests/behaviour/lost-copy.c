// SPDX-License-Identifier: MIT
/*
 * A copy says that the device is gone: it is lost then, with all that was there
 * alone, and is not called again.  What was about to go there stays in RAM.
 */
#include "../device.h"

#define NPAGES 600 /* in two blocks */
#define HALF   300

static struct test_ops ops;

static void check_lost(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	uint32_t calls = ops.in + ops.out;

	/* A touch may return before the other lost pages are found. */
	CHECK_SOON(test_info(dev).used == 0);
	CHECK_EQ(test_info(dev).lost, 1);
	CHECK_EQ(test_stats(u).poisoned, HALF);
	for (size_t i = 0; i < HALF; i += 7)
		CHECK_EQ(test_read_raises(p + i * PAGE), SIGBUS);
	for (size_t i = HALF; i < NPAGES; i++)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE),
			 test_word(1, i * PAGE_WORDS));
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), -ENODEV);
	CHECK_EQ(ops.in + ops.out, calls);
}

static void touch(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	(void)u;
	(void)dev;
	CHECK_EQ(test_read_raises(p + 5 * PAGE), SIGBUS);
}

static void fetch(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	(void)dev;
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES - HALF);
}

static void send(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	ssize_t n = uhmm_migrate(u, p + HALF * PAGE, HALF * PAGE, dev);

	CHECK(n == 0 || n == -ENODEV);
	CHECK_EQ(test_count_on(u, p + HALF * PAGE, HALF, NULL), HALF);
}

static void lose(void (*by)(struct uhmm *u, struct uhmm_device *dev, char *p))
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev;
	char *p = test_map(NPAGES);

	uhmm_set_log(u, test_no_log, NULL);
	memset(&ops, 0, sizeof(ops));
	dev = test_device_of(u, &ops, 2 * NPAGES);
	test_fill(p, NPAGES, 1);
	test_move(u, p, HALF, dev);
	ops.gone = true;
	by(u, dev, p);
	check_lost(u, dev, p);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(ops.released, 1);
	test_close(u);
}

int main(void)
{
	test_catch(SIGBUS);
	lose(touch);
	lose(fetch);
	lose(send);
	return 0;
}
