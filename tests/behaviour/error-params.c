// SPDX-License-Identifier: MIT
/*
 * uhmm_open() refuses unknown modes, flags and features, and a newer struct
 * with a tail that is not zero.  An older struct, and a newer one with a zero
 * tail, are fine.  A struct that the library fills in is filled in as far as
 * the caller knows it.
 */
#include "../context.h"

static int open_with(struct uhmm_params *p)
{
	struct uhmm *u = (void *)1;
	int err = uhmm_open(p, &u);

	if (err)
		CHECK(u == (void *)1);
	else
		test_close(u);
	return err;
}

static struct uhmm_params fresh(void)
{
	return (struct uhmm_params){ .size = sizeof(struct uhmm_params) };
}

static void check_sizes(void)
{
	union {
		struct uhmm_params p;
		char bytes[sizeof(struct uhmm_params) + 64];
	} big = { .p = fresh() };
	struct uhmm_params p = fresh();

	p.size = 0;
	CHECK_EQ(open_with(&p), -EINVAL);
	p.size = sizeof(size_t);
	CHECK_EQ(open_with(&p), 0);
	big.p.size = sizeof(big);
	CHECK_EQ(open_with(&big.p), 0);
	big.bytes[sizeof(big) - 1] = 1;
	CHECK_EQ(open_with(&big.p), -E2BIG);
}

static void check_out(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_device_info info;
	struct uhmm_stats stats;

	memset(&stats, 0xee, sizeof(stats));
	stats.size = offsetof(struct uhmm_stats, to_ram);
	CHECK_EQ(uhmm_stats(u, &stats), 0);
	CHECK_EQ(stats.to_device, 0);
	CHECK_EQ(stats.to_ram, UINT64_C(0xeeeeeeeeeeeeeeee));
	stats.size = 0;
	CHECK_EQ(uhmm_stats(u, &stats), -EINVAL);
	CHECK_EQ(uhmm_stats(NULL, &stats), -EINVAL);

	memset(&info, 0xee, sizeof(info));
	info.size = offsetof(struct uhmm_device_info, used);
	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	CHECK_EQ(info.npages, 256);
	CHECK_EQ(info.used, UINT64_C(0xeeeeeeeeeeeeeeee));
	info.size = 1;
	CHECK_EQ(uhmm_device_query(dev, &info), -EINVAL);
	test_close(u);
}

int main(void)
{
	struct uhmm_params p;

	check_out(); /* skips where nothing can be opened */
	CHECK_EQ(open_with(NULL), 0);
	p = fresh(), p.fault_mode = 3;
	CHECK_EQ(open_with(&p), -EINVAL);
	p = fresh(), p.flags = 1u << 30;
	CHECK_EQ(open_with(&p), -EINVAL);
	p = fresh(), p.charge = UHMM_CHARGE_KEEP + 1;
	CHECK_EQ(open_with(&p), -EINVAL);
	p = fresh(), p.ram_limit = 4097;
	CHECK_EQ(open_with(&p), -EINVAL);
	p = fresh(), p.features_off = "move,nonsense";
	CHECK_EQ(open_with(&p), -EINVAL);
	p = fresh(), p.features_off = "move,poison,scan";
	CHECK_EQ(open_with(&p), 0);
	p = fresh();
	CHECK_EQ(uhmm_open(&p, NULL), -EINVAL);
	check_sizes();
	CHECK_EQ(uhmm_close(NULL), 0);
	CHECK_EQ(uhmm_device_remove(NULL), 0);
	return 0;
}
