// SPDX-License-Identifier: MIT
/*
 * Calls that are refused, each with its error.  After a device was lost, a
 * touch of a page on it is SIGBUS in each view.
 */
#include <uhmm/device.h>

#include "../object.h"

#define NPAGES 8

static void arguments(struct uhmm *u)
{
	struct uhmm_object *o, *none;
	void *p;

	CHECK_EQ(uhmm_object_create(NULL, PAGE, 0, &o), -EINVAL);
	CHECK_EQ(uhmm_object_create(u, 0, 0, &o), -EINVAL);
	CHECK_EQ(uhmm_object_create(u, PAGE + 1, 0, &o), -EINVAL);
	CHECK_EQ(uhmm_object_create(u, PAGE, 1, &o), -EINVAL);
	CHECK_EQ(uhmm_object_create(u, PAGE, 0, NULL), -EINVAL);
	o = test_object(u, NPAGES);
	CHECK_EQ(uhmm_object_map(o, 0, 0, RW, 0, &p), -EINVAL);
	CHECK_EQ(uhmm_object_map(o, 1, PAGE, RW, 0, &p), -EINVAL);
	CHECK_EQ(uhmm_object_map(o, PAGE, NPAGES * PAGE, RW, 0, &p), -EINVAL);
	CHECK_EQ(uhmm_object_map(o, 0, PAGE, RW, 2, &p), -EINVAL);
	CHECK_EQ(uhmm_object_map(o, 0, PAGE, 8, 0, &p), -EINVAL);
	CHECK_EQ(uhmm_object_discard(o, 0, NPAGES * PAGE + PAGE), -EINVAL);
	CHECK_EQ(uhmm_object_destroy(NULL), -EINVAL);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	none = NULL;
	CHECK_EQ(uhmm_object_map(none, 0, PAGE, RW, 0, &p), -EINVAL);
}

static void not_for_views(struct uhmm *u, struct uhmm_device *dev)
{
	struct uhmm_device *dax = test_device(u, "dax:1M");
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	uint8_t why[NPAGES];

	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_unregister(u, p, PAGE), -EOPNOTSUPP);
	CHECK_EQ(uhmm_register(u, p, PAGE), 0);
	/* a range that begins in a view and ends behind it */
	CHECK_EQ(uhmm_migrate(u, p, (NPAGES + 1) * PAGE, dev), -EINVAL);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dax, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_UNSUPPORTED);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dax, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_UNSUPPORTED);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	CHECK_EQ(uhmm_device_remove(dax), 0);
}

static void too_many(struct uhmm *u)
{
	struct uhmm_object *o = test_object(u, 1);
	void *p;
	int n = 0, err;

	while (!(err = uhmm_object_map(o, 0, PAGE, RW, 0, &p)))
		n++;
	CHECK_EQ(err, -ENOSPC);
	CHECK_EQ(n, 64);
	*(char *)p = 3;
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_EQ(uhmm_object_map(o, 0, PAGE, RW, 0, &p), 0);
	CHECK_EQ(*(char *)p, 3);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void is_lost(struct uhmm *u)
{
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	char *q = test_view(o, 0, NPAGES, RW, 0);

	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES / 2, dev);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	for (size_t i = 0; i < NPAGES / 2; i++) {
		CHECK_EQ(test_read_raises(p + i * PAGE), SIGBUS);
		CHECK_EQ(test_write_raises(q + i * PAGE), SIGBUS);
	}
	CHECK_EQ(p[NPAGES / 2 * PAGE], q[NPAGES / 2 * PAGE]);
	CHECK_EQ(test_read_raises(p + NPAGES / 2 * PAGE), 0);
	uhmm_object_destroy(o);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;

	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device(u, "ram:1M");
	arguments(u);
	not_for_views(u, dev);
	too_many(u);
	is_lost(u);
	uhmm_close(u);
	return 0;
}
