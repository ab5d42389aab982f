// SPDX-License-Identifier: MIT
/*
 * In the child of a fork the context is dead: each call on it, its devices,
 * groups and mirrors returns -ENODEV.  And what a newer version may ask for is
 * refused by this one.
 */
#include <sys/wait.h>

#include <uhmm/advise.h>
#include <uhmm/alloc.h>
#include <uhmm/charge.h>
#include <uhmm/file.h>
#include <uhmm/object.h>

#include "../mirror.h"

static struct uhmm *u;
static struct uhmm_device *dev, *fixed;
static struct uhmm_group *group;
static struct uhmm_object *shared; /* NULL: not with this kernel */
static struct test_table table;
static char *p;

#define DEAD(call) CHECK_EQ((long)(call), -ENODEV)

static void check_memory(void)
{
	struct uhmm_completion done = { .size = sizeof(done) };
	struct uhmm_range range = { .size = sizeof(range) };
	uhmm_pfn_t pfn;
	void *new;

	DEAD(uhmm_register(u, p, PAGE));
	DEAD(uhmm_unregister(u, p, PAGE));
	DEAD(uhmm_migrate(u, p, PAGE, dev));
	DEAD(uhmm_migrate_why(u, p, PAGE, dev, NULL));
	DEAD(uhmm_migrate_start(u, p, PAGE, dev, 1));
	DEAD(uhmm_complete(u, &done, 1));
	DEAD(uhmm_prefer(u, p, PAGE, dev));
	DEAD(uhmm_alloc(u, PAGE, dev, &new));
	DEAD(uhmm_pin(u, p, PAGE));
	DEAD(uhmm_unpin(u, p, PAGE));
	DEAD(uhmm_fault_in(u, p, PAGE, false));
	DEAD(uhmm_advise(u, p, PAGE, UHMM_ADVICE_COLD));
	DEAD(uhmm_advise(u, p, PAGE, UHMM_ADVICE_WILLNEED));
	DEAD(uhmm_snapshot(u, p, PAGE, &pfn));
	DEAD(uhmm_ranges(u, NULL, &range, 1));
	DEAD(uhmm_range_pages(u, p, PAGE, dev));
}

static void check_context(void)
{
	struct uhmm_stats stats = { .size = sizeof(stats) };
	char buf[64];

	DEAD(uhmm_fd(u));
	DEAD(uhmm_features(u, buf, sizeof(buf)));
	DEAD(uhmm_stats(u, &stats));
	DEAD(uhmm_set_ram_limit(u, 0));
	DEAD(uhmm_charge(u, p, PAGE, group));
	DEAD(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_UNMAP));
	DEAD(uhmm_notify_end(u, p, PAGE));
	DEAD(uhmm_rescue(u, 1));
	DEAD(uhmm_close(u));
}

static const struct uhmm_device_ops fixed_ops = {
	.size = sizeof(fixed_ops),
	.copy_to_devmem = test_copy_in,
	.copy_to_ram = test_copy_out,
};
static struct uhmm_device_desc desc = {
	.size = sizeof(desc),
	.name = "fixed",
	.type = UHMM_MEMORY_DEVICE_COHERENT,
	.flags = UHMM_DEVICE_FIXED,
	.npages = 1,
	.ops = &fixed_ops,
};

static void check_devices(void)
{
	struct uhmm_device *new;

	DEAD(uhmm_device_add(u, &desc, NULL, &new));
	DEAD(uhmm_device_open(u, "ram:1M", &new));
	DEAD(uhmm_device_map(fixed, p, PAGE, 0));
	DEAD(uhmm_device_unmap(fixed, p, PAGE));
}

static void check_shared(void)
{
	struct uhmm_object *new;
	void *view;

	DEAD(uhmm_object_create(u, PAGE, 0, &new));
	if (!shared)
		return;
	DEAD(uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &new));
	DEAD(uhmm_object_is_mapped(shared));
	DEAD(uhmm_object_map(shared, 0, PAGE, PROT_READ, 0, &view));
	DEAD(uhmm_object_discard(shared, 0, PAGE));
	DEAD(uhmm_object_remove(u, p, PAGE));
	DEAD(uhmm_object_destroy(shared));
}

static void check_files(void)
{
	void *memory;

	DEAD(uhmm_map_file(u, 0, 0, PAGE, PROT_READ, UHMM_FILE_RELAXED,
			   &memory));
	DEAD(uhmm_file_sync(u, p, PAGE, MS_SYNC));
	DEAD(uhmm_file_refresh(u, p, PAGE));
	DEAD(uhmm_unmap_file(u, p));
}

static void check_objects(void)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	struct uhmm_group_info sums = { .size = sizeof(sums) };
	struct uhmm_mirror *mirror;
	struct uhmm_group *child;
	uhmm_pfn_t pfn;

	DEAD(uhmm_device_query(dev, &info));
	DEAD(uhmm_device_tier(dev, true));
	DEAD(uhmm_device_accessed(dev, p, PAGE, 1));
	DEAD(uhmm_device_lost(dev));
	DEAD(uhmm_device_failed(dev, 0, 1));
	DEAD(uhmm_device_remove(dev));
	DEAD(uhmm_group_create(u, group, "b", &child));
	DEAD(uhmm_group_query(group, NULL, &sums));
	DEAD(uhmm_group_set_limit(group, NULL, 0));
	DEAD(uhmm_group_destroy(group));
	DEAD(uhmm_mirror_add(u, NULL, 0, NULL, &test_table_ops, NULL, &mirror));
	DEAD(uhmm_mirror_fault(table.mirror, p, PAGE, 0));
	DEAD(uhmm_mirror_snapshot(table.mirror, p, PAGE, &pfn));
	DEAD(uhmm_mirror_remove(table.mirror));
}

/* Each with a tail that this version does not know. */
static void check_newer(void)
{
	struct {
		struct uhmm_stats known;
		char tail[8];
	} stats = { .known.size = sizeof(stats) };
	struct {
		struct uhmm_device_info known;
		char tail[8];
	} info = { .known.size = sizeof(info) };
	struct {
		struct uhmm_group_info known;
		char tail[8];
	} sums = { .known.size = sizeof(sums) };

	CHECK_EQ(uhmm_stats(u, &stats.known), 0);
	CHECK_EQ(uhmm_device_query(dev, &info.known), 0);
	CHECK_EQ(uhmm_group_query(group, NULL, &sums.known), 0);
	stats.known.size = sizeof(stats);
	stats.tail[7] = info.tail[7] = sums.tail[7] = 1;
	CHECK_EQ(uhmm_stats(u, &stats.known), -E2BIG);
	CHECK_EQ(uhmm_device_query(dev, &info.known), -E2BIG);
	CHECK_EQ(uhmm_group_query(group, NULL, &sums.known), -E2BIG);
}

int main(void)
{
	pid_t pid;
	int status;

	u = test_open();
	dev = test_device(u, "ram:4M");
	desc.fd = memfd_create("fixed", MFD_CLOEXEC);
	CHECK_EQ(ftruncate(desc.fd, PAGE), 0);
	CHECK_EQ(uhmm_device_add(u, &desc, NULL, &fixed), 0);
	p = test_map(1);
	CHECK_EQ(uhmm_group_create(u, NULL, "a", &group), 0);
	test_mirror(u, &table, p, NULL);
	if (uhmm_object_create(u, PAGE, 0, &shared))
		shared = NULL;
	check_newer();
	pid = fork();
	if (!pid) {
		check_memory();
		check_devices();
		check_context();
		check_objects();
		check_shared();
		check_files();
		_exit(0);
	}
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(uhmm_prefer(u, p, PAGE, dev), -ENODEV);
	CHECK_EQ(uhmm_migrate(u, p, PAGE, dev), -ENODEV);
	test_close(u);
	return 0;
}
