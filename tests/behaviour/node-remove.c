// SPDX-License-Identifier: MIT
/*
 * A NUMA node is removed as a device while pages go there and a thread uses
 * them: all come home with their data, and it can be added again.  One context
 * has a node once; two contexts may share it.
 */
#include <pthread.h>

#include "../node.h"

#define NPAGES 1500

static struct uhmm *u;
static _Atomic bool done;
static char *p;

static void *touch_all(void *arg)
{
	(void)arg;
	while (!atomic_load(&done))
		test_verify(p, NPAGES, 1);
	return NULL;
}

int main(void)
{
	struct uhmm_device *dev, *other;
	pthread_t thread;
	char spec[32];
	struct uhmm *v;

	u = test_open();
	dev = test_node_device(u, "64M");
	snprintf(spec, sizeof(spec), "numa:4M,node=%d", test_node());
	CHECK_EQ(uhmm_device_open(u, spec, &other), -EBUSY);
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(pthread_create(&thread, NULL, touch_all, NULL), 0);
	for (int round = 0; round < 5; round++) {
		CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) > 0);
		CHECK(test_count_node(p, NPAGES, test_node()) > 0);
		CHECK_EQ(uhmm_device_remove(dev), 0);
		CHECK_EQ(test_count_node(p, NPAGES, test_node()), 0);
		CHECK_EQ(test_stats(u).device_pages, 0);
		dev = test_node_device(u, "64M");
	}
	atomic_store(&done, true);
	CHECK_EQ(pthread_join(thread, NULL), 0);

	v = test_open();
	other = test_node_device(v, "64M");
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_remove(other), 0);
	test_close(v);
	test_all_on(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(test_count_node(p, NPAGES, test_node()), 0);
	CHECK_EQ(test_info(dev).used, 0);
	test_move(u, p, NPAGES, dev);
	test_close(u);
	CHECK_EQ(test_count_node(p, NPAGES, test_node()), 0);
	test_verify(p, NPAGES, 1);
	return 0;
}
