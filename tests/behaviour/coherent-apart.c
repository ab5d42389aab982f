// SPDX-License-Identifier: MIT
/*
 * A coherent device is kept apart: the limit on RAM is passed rather than a
 * page placed there, until the device is named as a tier.
 */
#include "../context.h"

#define LIMIT ((size_t)8 << 20)
#define LEN   (2 * LIMIT)

static void write_all(char *p)
{
	for (size_t i = 0; i < LEN; i += PAGE)
		*(volatile char *)(p + i) = (char)(i / PAGE);
}

int main(void)
{
	struct uhmm *u =
		test_open_with((struct uhmm_params){ .ram_limit = LIMIT });
	struct uhmm_device *dev = test_device(u, "dax:64M");
	char *p = test_map_blocks(LEN / BLOCK);

	CHECK_EQ(uhmm_register(u, p, LEN), 0);
	write_all(p);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK(test_stats(u).limit_exceeded > 0);
	CHECK_EQ(test_count_on(u, p, LEN / PAGE, dev), 0);
	CHECK_EQ(uhmm_device_tier(NULL, true), -EINVAL);
	CHECK_EQ(uhmm_device_tier(dev, true), 0);
	while (test_stats(u).ram_pages > LIMIT / PAGE)
		write_all(p);
	CHECK(test_info(dev).used > 0);
	for (size_t i = 0; i < LEN; i += PAGE)
		CHECK_EQ(p[i], (char)(i / PAGE));
	test_close(u);
	for (size_t i = 0; i < LEN; i += PAGE)
		CHECK_EQ(p[i], (char)(i / PAGE));
	return 0;
}
