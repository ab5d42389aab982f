// SPDX-License-Identifier: MIT
/*
 * uhmm_open() refuses unknown modes, flags and features, and a newer struct
 * with a tail that is not zero.  An older struct, and a newer one with a zero
 * tail, are fine.  A struct that the library fills in is filled in as far as
 * the caller knows it.
 */
#include <poll.h>

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

/* Of an array the first entry says how long each is. */
static void check_ranges(struct uhmm *u, char *p)
{
	struct {
		struct uhmm_range r;
		uint64_t more;
	} newer[2] = { { .r.size = sizeof(*newer) } };
	struct uhmm_range r[2] = { { .size = offsetof(struct uhmm_range,
						      len) } };
	void *addr = (char *)r + offsetof(struct uhmm_range, len) +
		     offsetof(struct uhmm_range, addr);

	CHECK_EQ(uhmm_register(u, p, PAGE), 0);
	CHECK_EQ(uhmm_register(u, p + 2 * PAGE, PAGE), 0);
	newer[1].more = 1;
	CHECK_EQ(uhmm_ranges(u, p, &newer->r, 2), 2);
	CHECK(newer[0].r.addr == p && newer[0].r.len == PAGE);
	CHECK(newer[1].r.addr == p + 2 * PAGE && !newer[1].more);
	CHECK_EQ(newer[1].r.size, sizeof(*newer));
	newer->more = 1;
	CHECK_EQ(uhmm_ranges(u, p, &newer->r, 2), -E2BIG);
	CHECK_EQ(uhmm_ranges(u, p, r, 2), 2); /* older: size and addr */
	CHECK(r->addr == p);
	p += 2 * PAGE;
	CHECK_MEM(addr, &p, sizeof(p));
	r->size = 0;
	CHECK_EQ(uhmm_ranges(u, p, r, 1), -EINVAL);
}

static void check_completions(struct uhmm *u, char *p)
{
	struct {
		struct uhmm_completion c;
		uint64_t more;
	} newer[2] = { { .c.size = sizeof(*newer) } };
	struct pollfd fd = { .fd = uhmm_fd(u), .events = POLLIN };

	CHECK_EQ(uhmm_migrate_start(u, p, PAGE, NULL, 7), 0);
	CHECK_EQ(poll(&fd, 1, 10000), 1);
	newer->more = 1;
	CHECK_EQ(uhmm_complete(u, &newer->c, 2), -E2BIG);
	newer->c.size = 0;
	CHECK_EQ(uhmm_complete(u, &newer->c, 2), -EINVAL);
	newer->c.size = sizeof(*newer);
	newer->more = 0;
	CHECK_EQ(uhmm_complete(u, &newer->c, 2), 1); /* none was lost */
	CHECK_EQ(newer->c.cookie, 7);
	CHECK_EQ(newer->c.size, sizeof(*newer));
}

static void check_arrays(void)
{
	struct uhmm *u = test_open();
	char *p = test_map_blocks(1);

	check_ranges(u, p);
	check_completions(u, p);
	test_close(u);
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

	check_out();
	check_arrays(); /* skips where nothing can be opened */
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
