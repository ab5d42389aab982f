// SPDX-License-Identifier: MIT
/*
 * Devices of the kernel module, on the fake page table: the kernel brings pages
 * home by itself, and the library's words, counts and limits follow when one
 * looks.
 */
#include "sys/fail.h"
#include "world.h"

#define N 20

static struct world w;
static struct uhmm_device *dev;

static const struct uhmm_device_ops kmod_ops = { .size = sizeof(kmod_ops) };

static int try_kmod(int fd, uint32_t flags, struct uhmm_device **ret)
{
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "kmod",
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.flags = UHMM_DEVICE_KMOD | flags,
		.fd = fd,
		.npages = 1000,
		.ops = &kmod_ops,
	};

	return uhmm_device_add(w.u, &desc, NULL, ret);
}

static struct uhmm_device *add(bool coherent)
{
	struct uhmm_device *ret;

	CHECK_EQ(try_kmod(fake_kmod_file(w.mm, 1000, coherent), 0, &ret), 0);
	return ret;
}

static void setup(bool coherent)
{
	struct uhmm_params params = { .size = sizeof(params) };

	w = world_open(&params);
	world_map(&w, 0, N);
	world_fill(&w, 0, N, 1);
	dev = add(coherent);
}

static bool is_there(size_t page)
{
	return fake_node(w.mm, (uintptr_t)world_at(page)) == dev->site;
}

static uhmm_pfn_t pfn_of(size_t page)
{
	uhmm_pfn_t pfn;

	CHECK_EQ(uhmm_snapshot(w.u, world_at(page), PAGE, &pfn), 0);
	return pfn;
}

static void test_there_and_back(void)
{
	setup(false);
	world_map(&w, N, N); /* never touched */
	CHECK_EQ(world_move(&w, 0, 2 * N, dev), 2 * N);
	for (size_t i = 0; i < 2 * N; i++)
		CHECK(is_there(i));
	CHECK_EQ(device_used(dev), 2 * N);
	world_check(&w);
	CHECK_EQ(world_move(&w, 0, N, NULL), N);
	CHECK(!is_there(0));
	CHECK_EQ(device_used(dev), N);
	world_verify(&w, 0, N, 1);
	world_verify_zero(&w, N, N);
	CHECK_EQ(device_used(dev), 0);
	world_check(&w);
	world_close(&w);
}

/* A touch that the library does not see */
static void test_touch(void)
{
	struct uhmm_stats stats = { .size = sizeof(stats) };

	setup(false);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	world_verify(&w, 3, 5, 1);
	world_check(&w);
	CHECK_EQ(uhmm_pfn_device(pfn_of(3)), 0);
	CHECK_EQ(uhmm_pfn_device(pfn_of(8)), dev->id);
	CHECK_EQ(uhmm_stats(w.u, &stats), 0);
	CHECK_EQ(stats.device_pages, N - 5);
	CHECK_EQ(stats.to_ram, 5);
	CHECK_EQ(stats.faults, 0);
	CHECK_EQ(device_used(dev), N - 5);
	world_verify(&w, 8, 1, 1);
	CHECK_EQ(world_move(&w, 0, N, dev), N); /* and nobody looked since */
	for (size_t i = 0; i < N; i++)
		CHECK(is_there(i));
	CHECK_EQ(device_used(dev), N);
	world_check(&w);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

static void test_coherent(void)
{
	setup(true);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	world_verify(&w, 0, N, 1);
	world_fill(&w, 0, N, 2);
	CHECK_EQ(device_used(dev), N);
	CHECK(is_there(0));
	CHECK_EQ(uhmm_device_lost(dev), -EOPNOTSUPP);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	world_verify(&w, 0, N, 2);
	world_close(&w);
}

static void test_between(void)
{
	struct uhmm_device *other;
	struct store s;

	setup(false);
	other = add(false);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK_EQ(world_move(&w, 0, N, other), N);
	CHECK_EQ(device_used(dev), 0);
	CHECK_EQ(device_used(other), N);
	CHECK_EQ(uhmm_device_remove(other), 0);
	other = store_add(w.u, &s, STORE_PLAIN, 100);
	CHECK_EQ(world_move(&w, 0, N, other), N);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	CHECK_EQ(device_used(other), 0);
	world_check(&w);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

/* A page that was home already is not lost, though its word is behind. */
static void test_lost(void)
{
	char byte;

	setup(false);
	CHECK_EQ(world_move(&w, 0, N, dev), N);
	world_verify(&w, 0, 5, 1);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(world_state(&w, i), i < 5 ? P_RAM : P_POISONED);
	CHECK_EQ(fake_cpu_read(w.mm, (uintptr_t)world_at(7), &byte, 1), -EIO);
	world_verify(&w, 0, 5, 1);
	CHECK_EQ(world_move(&w, 0, 5, dev), -ENODEV);
	CHECK_EQ(uhmm_device_failed(dev, 0, 1), -EOPNOTSUPP);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	world_close(&w);
}

static void test_refused(void)
{
	uint8_t why[N];

	setup(false);
	fake_mark(w.mm, (uintptr_t)world_at(0), (uintptr_t)world_at(3),
		  FAKE_PINNED, true);
	CHECK_EQ(uhmm_migrate_why(w.u, world_at(0), N * PAGE, dev, why), N - 3);
	CHECK_EQ(why[0], UHMM_WHY_PINNED);
	CHECK_EQ(device_used(dev), N - 3);
	world_check(&w);
	world_close(&w);
}

static void test_add(void)
{
	struct uhmm_device *other;

	setup(false);
	CHECK_EQ(try_kmod(-1, 0, &other), -EINVAL);
	CHECK_EQ(try_kmod(7, 0, &other), -ENODEV);
	CHECK_EQ(try_kmod(7, UHMM_DEVICE_NODE, &other), -EINVAL);
	CHECK_EQ(try_kmod(7, UHMM_DEVICE_FORKS, &other), -EINVAL);
	sys_fail_arm(1);
	while (try_kmod(fake_kmod_file(w.mm, 10, false), 0, &other)) {
		static int nth = 1;

		sys_fail_disarm();
		sys_fail_arm(++nth);
	}
	sys_fail_disarm();
	CHECK_EQ(uhmm_device_remove(other), 0);
	world_close(&w);
}

int main(void)
{
	test_there_and_back();
	test_touch();
	test_coherent();
	test_between();
	test_lost();
	test_refused();
	test_add();
	return 0;
}
