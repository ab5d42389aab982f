// SPDX-License-Identifier: MIT
/*
 * The memory limit of a cgroup, from a tree of files that looks like /proc and
 * /sys/fs/cgroup: the least of all above the process counts.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "core/limit/cgroup.h"
#include "test.h"

#define MIB ((uint64_t)1 << 20)

static char root[64];

/* Write a file below @root, with its folders. */
static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void mounted(const char *part, const char *at)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "22 1 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
		 "23 22 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup "
		 "rw,memory\n"
		 "24 22 0:22 %s %s rw,nosuid shared:8 master:1 - cgroup2 "
		 "cgroup2 rw\n",
		 part, at);
	put("/proc/thread-self/mountinfo", text);
}

static void test_tree(void)
{
	CHECK_EQ(cgroup_limit(root), 0); /* nothing at all */
	put("/proc/thread-self/cgroup", "4:memory:/old\n0::/a/b/c\n");
	CHECK_EQ(cgroup_limit(root), 0);
	mounted("/", "/sys/fs/cgroup");
	CHECK_EQ(cgroup_limit(root), 0);
	put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
	put("/sys/fs/cgroup/a/b/c/memory.high", "max\n");
	CHECK_EQ(cgroup_limit(root), 0);
	put("/sys/fs/cgroup/a/b/c/memory.max", "1073741824\n");
	CHECK_EQ(cgroup_limit(root), 1024 * MIB);
	put("/sys/fs/cgroup/a/memory.max", "536870912\n");
	CHECK_EQ(cgroup_limit(root), 512 * MIB);
	put("/sys/fs/cgroup/a/b/memory.high", "268435456\n");
	CHECK_EQ(cgroup_limit(root), 256 * MIB);
	put("/sys/fs/cgroup/x/memory.max", "4096\n"); /* not above us */
	CHECK_EQ(cgroup_limit(root), 256 * MIB);
	put("/sys/fs/cgroup/memory.max", "134217728\n"); /* of a namespace */
	CHECK_EQ(cgroup_limit(root), 128 * MIB);
	put("/sys/fs/memory.max", "4096\n"); /* is no cgroup */
	CHECK_EQ(cgroup_limit(root), 128 * MIB);
	put("/proc/thread-self/cgroup", "0::/\n");
	CHECK_EQ(cgroup_limit(root), 128 * MIB);
	put("/proc/thread-self/cgroup", "0::/../other\n");
	CHECK_EQ(cgroup_limit(root), 0);
	put("/proc/thread-self/cgroup", "4:memory:/a\n"); /* no v2 */
	CHECK_EQ(cgroup_limit(root), 0);
}

/* Of the memory controller alone, whatever is mounted with it. */
static void test_v1(void)
{
	const char *unlimited = "9223372036854771712\n";

	put("/proc/thread-self/cgroup",
	    "5:cpu:/cpu\n4:pids,memory:/old/x\n0::/\n");
	put("/sys/fs/cgroup/memory/old/x/memory.limit_in_bytes", unlimited);
	put("/sys/fs/cgroup/memory/old/memory.limit_in_bytes", unlimited);
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", unlimited);
	put("/sys/fs/cgroup/memory/cpu/memory.limit_in_bytes", "4096\n");
	CHECK_EQ(cgroup_limit(root), 128 * MIB); /* of v2 */
	put("/sys/fs/cgroup/memory/old/memory.limit_in_bytes", "67108864\n");
	CHECK_EQ(cgroup_limit(root), 64 * MIB);
	put("/proc/thread-self/cgroup", "4:memory:/old/x\n");
	CHECK_EQ(cgroup_limit(root), 64 * MIB);
	put("/proc/thread-self/cgroup", "4:memoryless,cpu:/old/x\n");
	CHECK_EQ(cgroup_limit(root), 0);
}

/* Blanks in a path, and a mount of a part only. */
static void test_mounts(void)
{
	put("/proc/thread-self/cgroup", "0::/pod/x y\n");
	mounted("/pod", "/run/my\\040cgroup");
	put("/run/my cgroup/x y/memory.max", "8388608");
	CHECK_EQ(cgroup_limit(root), 8 * MIB);
	mounted("/po", "/run/my\\040cgroup"); /* another part: its top alone */
	CHECK_EQ(cgroup_limit(root), 0);
	put("/run/my cgroup/memory.max", "4194304");
	CHECK_EQ(cgroup_limit(root), 4 * MIB);
	mounted("/../..", "/run/my\\040cgroup");
	put("/run/my cgroup/pod/x y/memory.max", "2097152");
	CHECK_EQ(cgroup_limit(root), 2 * MIB);
}

static void test_lines(void)
{
	char part[CGROUP_PATH], at[CGROUP_PATH];
	uint64_t v = 1;

	CHECK(cgroup_parse_limit("max", &v) && v == UINT64_MAX);
	CHECK(cgroup_parse_limit("0", &v) && v == 0);
	CHECK(cgroup_parse_limit("99999999999999999999999", &v));
	CHECK_EQ(v, UINT64_MAX);
	CHECK(!cgroup_parse_limit("", &v));
	CHECK(!cgroup_parse_limit("-1", &v));
	CHECK(!cgroup_parse_limit("12 ", &v));
	CHECK(!cgroup_parse_path(CGROUP_V2, "0::a", at));
	CHECK(!cgroup_parse_path(CGROUP_V2, "10::/a", at));
	CHECK(!cgroup_parse_path(CGROUP_V2, "0::/a/..", at));
	CHECK(cgroup_parse_path(CGROUP_V2, "0::/..a", at));
	CHECK(!cgroup_parse_mount(CGROUP_V2, "", part, at));
	CHECK(!cgroup_parse_mount(CGROUP_V2, "1 2 3 / /x rw", part, at));
	CHECK(!cgroup_parse_mount(CGROUP_V2, "1 2 3 / /x rw - cgroup c", part,
				  at));
	CHECK(!cgroup_parse_mount(CGROUP_V2, "1 2 3 / x rw - cgroup2 c", part,
				  at));
	CHECK(cgroup_parse_mount(CGROUP_V2, "1 2 3 / /x\\134 rw - cgroup2",
				 part, at));
	CHECK_STR(at, "/x\\");
}

static void test_share(void)
{
	CHECK_EQ(cgroup_share(0), 0);
	CHECK_EQ(cgroup_share(1024 * MIB), 896 * MIB);
	CHECK_EQ(cgroup_share(64 * MIB), 48 * MIB);
	CHECK_EQ(cgroup_share(8 * MIB), 4 * MIB);
	CHECK_EQ(cgroup_share(1), 4096);
	CHECK_EQ(cgroup_share(64 * MIB + 5) % 4096, 0);
}

int main(void)
{
	char command[128];

	snprintf(root, sizeof(root), "/tmp/uhmm-cgroup-XXXXXX");
	CHECK(mkdtemp(root) != NULL);
	test_tree();
	test_v1();
	test_mounts();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	CHECK_EQ(system(command), 0);
	test_lines();
	test_share();
	return 0;
}
