// SPDX-License-Identifier: MIT
/*
 * A device of another context is -EINVAL, and each context goes on with its
 * own.  Devices that cannot be are refused: see the list.
 */
#include "../device.h"

static void *priv;

static const struct uhmm_device_ops good_ops = {
	.size = sizeof(good_ops),
	.copy_to_devmem = test_copy_in,
	.copy_to_ram = test_copy_out,
};

static struct uhmm_device_desc good(void)
{
	struct uhmm_device_desc d = { .size = sizeof(d),
				      .name = "d",
				      .type = UHMM_MEMORY_DEVICE_PRIVATE,
				      .npages = 4,
				      .ops = &good_ops };

	return d;
}

static int add(struct uhmm *u, struct uhmm_device_desc d)
{
	struct uhmm_device *dev = (void *)1;
	int err = uhmm_device_add(u, &d, &priv, &dev);

	CHECK(err ? dev == (void *)1 : dev != (void *)1);
	return err;
}

static void check_descs(struct uhmm *u)
{
	struct uhmm_device_ops half = good_ops;
	struct uhmm_device_desc d;

	d = good(), d.npages = 0;
	CHECK_EQ(add(u, d), -EINVAL);
	d = good(), d.name = NULL;
	CHECK_EQ(add(u, d), -EINVAL);
	d = good(), d.type = 0;
	CHECK_EQ(add(u, d), -EINVAL);
	d = good(), d.flags = 1u << 31;
	CHECK_EQ(add(u, d), -EINVAL);
	d = good(), d.ops = NULL;
	CHECK_EQ(add(u, d), -EINVAL);
	d = good(), d.size = 0;
	CHECK_EQ(add(u, d), -EINVAL);
	half.copy_to_ram = NULL;
	d = good(), d.ops = &half;
	CHECK_EQ(add(u, d), -EINVAL);
	CHECK_EQ(add(u, good()), 0);
}

int main(void)
{
	struct uhmm *u = test_open(), *v = test_open();
	struct uhmm_device *du = test_device(u, "ram:1M");
	struct uhmm_device *dv = test_device(v, "ram:1M");
	char *p = test_map(8), *q = test_map_blocks(1);

	test_fill(p, 8, 1);
	test_fill(q, 8, 2);
	CHECK_EQ(uhmm_migrate(u, p, 8 * PAGE, dv), -EINVAL);
	CHECK_EQ(uhmm_migrate_start(u, p, 8 * PAGE, dv, 0), -EINVAL);
	CHECK_EQ(uhmm_migrate(v, p, 8 * PAGE, du), -EINVAL);
	test_move(u, p, 8, du);
	test_move(v, q, 8, dv);
	test_verify(p, 8, 1);
	test_verify(q, 8, 2);
	check_descs(u);
	test_close(u);
	test_close(v);
	return 0;
}
