// SPDX-License-Identifier: MIT
/*
 * NUMA nodes that cannot be devices are refused with the documented error and
 * one sentence in the log: no such node, the only one with memory, more than
 * it has, and what is no number.
 */
#include "../node.h"

static int messages;

static void count(void *arg, int level, const char *msg)
{
	(void)arg;
	(void)level;
	CHECK(msg && *msg);
	messages++;
}

static void refused(struct uhmm *u, const char *spec, int err)
{
	struct uhmm_device *dev = (void *)1;
	int before = messages, is = uhmm_device_open(u, spec, &dev);

	if (is != err)
		fprintf(stderr, "%s: ", spec);
	CHECK_EQ(is, err);
	CHECK_EQ(messages, before + 1);
	CHECK(dev == (void *)1);
}

int main(void)
{
	struct uhmm *u = test_open();
	uint64_t nodes = test_nodes("has_memory");
	struct uhmm_device *dev;
	char spec[64];

	uhmm_set_log(u, count, NULL);
	refused(u, "numa", -EINVAL);
	refused(u, "numa:4M", -EINVAL);
	refused(u, "numa:node=", -EINVAL);
	refused(u, "numa:node=x", -EINVAL);
	refused(u, "numa:node=-1", -EINVAL);
	refused(u, "numa:node=1x", -EINVAL);
	refused(u, "numa:node=99999999999", -EINVAL);
	refused(u, "numa:4M,node=1,size=4", -EINVAL);
	refused(u, "numa:node=1000", -ENODEV);
	if (!nodes)
		test_skip("no NUMA here");
	snprintf(spec, sizeof(spec), "numa:node=%d", __builtin_ctzll(nodes));
	if (!(nodes & (nodes - 1))) {
		refused(u, spec, -EBUSY);
	} else {
		snprintf(spec, sizeof(spec), "numa:1000T,node=%d",
			 __builtin_ctzll(nodes));
		refused(u, spec, -ENOMEM);
		dev = test_node_device(u, "");
		snprintf(spec, sizeof(spec), "numa:node=%d", test_node());
		refused(u, spec, -EBUSY);
		refused(u, "numa:node=0", -ENODEV); /* it is all that is left */
		CHECK_EQ(uhmm_device_remove(dev), 0);
	}
	test_close(u);
	return 0;
}
