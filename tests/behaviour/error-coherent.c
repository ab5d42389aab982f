// SPDX-License-Identifier: MIT
/* Coherent devices that cannot be are refused, and nothing has changed. */
#include <uhmm/provider.h>

#include "../context.h"

static int copy(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	(void)seg;
	(void)nr;
	return 0;
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy,
	.copy_to_ram = copy,
};

static struct uhmm *u;

static int add(uint32_t type, uint32_t flags, int fd, int node, uint64_t offset)
{
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "test",
		.type = type,
		.flags = flags,
		.npages = 16,
		.ops = &ops,
		.fd = fd,
		.node = node,
		.offset = offset,
	};
	struct uhmm_device *dev;
	int err = uhmm_device_add(u, &desc, NULL, &dev);

	if (!err)
		CHECK_EQ(uhmm_device_remove(dev), 0);
	return err;
}

/* 16 pages must be there from the offset on. */
static void test_files(void)
{
	const uint32_t coherent = UHMM_MEMORY_DEVICE_COHERENT;
	int fd = memfd_create("test", MFD_CLOEXEC), pipes[2];

	CHECK(fd >= 0);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(add(coherent, 0, 9999, -1, 0), -EBADF);
	CHECK_EQ(add(coherent, 0, pipes[0], -1, 0), -EINVAL);
	CHECK_EQ(add(coherent, 0, fd, -1, 0), -EINVAL);
	CHECK_EQ(ftruncate(fd, 16 * PAGE), 0);
	CHECK_EQ(add(coherent, 0, fd, -1, 0), 0);
	CHECK_EQ(add(coherent, 0, fd, -1, PAGE), -EINVAL);
	CHECK_EQ(add(coherent, 0, fd, -1, -(uint64_t)PAGE), -EINVAL);
	CHECK_EQ(add(coherent, 0, fd, -1, (uint64_t)INT64_MAX + 1 - PAGE),
		 -EINVAL);
	CHECK_EQ(add(coherent, UHMM_DEVICE_FIXED, fd, -1, PAGE), -EINVAL);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_kinds(void)
{
	const uint32_t private = UHMM_MEMORY_DEVICE_PRIVATE;
	const uint32_t coherent = UHMM_MEMORY_DEVICE_COHERENT;

	CHECK_EQ(add(private, 0, -1, -1, 0), 0);
	CHECK_EQ(add(private, UHMM_DEVICE_FIXED, -1, -1, 0), -EINVAL);
	CHECK_EQ(add(private, UHMM_DEVICE_NODE, -1, 0, 0), -EINVAL);
	CHECK_EQ(add(coherent, 0, -1, -1, 0), -EINVAL);
	CHECK_EQ(add(coherent, 0, 0, -1, 1), -EINVAL);
	CHECK_EQ(add(coherent, UHMM_DEVICE_NODE, -1, -1, 0), -EINVAL);
	test_files();
	CHECK_EQ(add(coherent, UHMM_DEVICE_NODE | UHMM_DEVICE_FIXED, -1, 0, 0),
		 -EINVAL);
	CHECK_EQ(add(coherent, 1u << 31, 0, -1, 0), -EINVAL);
	CHECK_EQ(add(3, 0, 0, -1, 0), -EINVAL);
}

int main(void)
{
	static const struct {
		const char *spec;
		int err;
	} bad[] = {
		{ "dax", -EINVAL },
		{ "dax:0", -EINVAL },
		{ "dax:100T", -ENOMEM },
		{ "dax:1M,colour=red", -EINVAL },
		{ "dax,path=/nonexistent", -ENOENT },
		{ "dax,path=/dev/null", -ENXIO },
		{ "dax,path=/proc/self/comm", -ENXIO },
		{ "dax:2M,path=/proc/self/comm", -ENXIO },
		{ "dax:1M,path=/", -EISDIR },
	};
	struct uhmm_device *dev = NULL;

	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_EQ(uhmm_device_open(u, bad[i].spec, &dev), bad[i].err);
		CHECK(!dev);
	}
	test_kinds();
	test_close(u);
	return 0;
}
