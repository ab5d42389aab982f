// SPDX-License-Identifier: MIT
/*
 * Nothing is placed on a NUMA node that is a device unless someone asks, and
 * not when RAM runs out either: neither managed memory nor the library's own.
 * The same programs without the device do land there, so that this test is
 * about something.
 */
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include <uhmm/provider.h>

#include "../node.h"

#define MIB	 ((size_t)1 << 20)
#define SPECIMEN 24 /* MiB, touched when RAM is full */

/* A number from a node's meminfo, in MiB. */
static size_t node_mib(int node, const char *what)
{
	char path[64], line[128], format[64];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo",
		 node);
	snprintf(format, sizeof(format), "Node %%*d %s: %%llu", what);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, format, &kib) != 1)
		;
	fclose(f);
	return kib >> 10;
}

/*
 * All of node 0 but for a little: what is asked for next, and may come from
 * elsewhere, does.  The process is small, so that it is not the one killed.
 */
static void fill_ram(void)
{
	unsigned long mask[16] = { 1 };

	for (;;) {
		size_t left = node_mib(0, "MemFree");
		size_t len;
		char *p;

		if (left < SPECIMEN / 2)
			return;
		len = left > 64 ? 32 * MIB : MIB;
		p = test_map(len / PAGE);
		CHECK_EQ(syscall(SYS_mbind, p, len, MPOL_PREFERRED, mask, 1025,
				 0),
			 0);
		memset(p, 1, len);
		if (test_count_node(p, len / PAGE, test_node()))
			return; /* the kernel keeps the rest to itself */
	}
}

/*
 * Touches [p, p + SPECIMEN MiB) with RAM full.  Return: 1 if a page lies on the
 * device.  A process that is killed for want of memory has got no device page.
 */
static size_t touch_under_pressure(char *p)
{
	fill_ram();
	for (size_t i = 0; i < SPECIMEN * MIB; i += PAGE) {
		p[i] = 1;
		if (test_count_node(p + i, 1, test_node()))
			return 1;
	}
	return 0;
}

static void try_managed(bool with_device)
{
	struct uhmm *u = test_open();
	char *p = test_map(SPECIMEN * MIB / PAGE);

	alarm(100); /* emulated, and RAM is filled */
	if (with_device)
		test_node_device(u, "");
	CHECK_EQ(uhmm_register(u, p, SPECIMEN * MIB), 0);
	exit(touch_under_pressure(p) ? 3 : 0);
}

/* Memory from the library, as a provider has it. */
static void try_own(bool with_device)
{
	struct uhmm *u = test_open();
	char *p;

	alarm(100); /* emulated, and RAM is filled */
	if (with_device)
		test_node_device(u, "");
	p = uhmm_provider_alloc(SPECIMEN * MIB);
	CHECK(p);
	exit(touch_under_pressure(p) ? 3 : 0);
}

/* Was anything found on the node? */
static bool lands(void (*try)(bool), bool with_device)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		int fd = open("/proc/self/oom_score_adj", O_WRONLY);

		CHECK(fd >= 0 && write(fd, "1000", 4) == 4);
		try(with_device);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (with_device && WIFSIGNALED(status))
		return WTERMSIG(status) != SIGKILL;
	CHECK(WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
	return WEXITSTATUS(status) == 3;
}

/* When the device has gone the node is like any other. */
static void test_given_back(void)
{
	struct uhmm *u = test_open();
	char *p = test_map(100);
	struct uhmm_device *dev;
	int mode = -1;

	CHECK_EQ(uhmm_register(u, p, 100 * PAGE), 0);
	dev = test_node_device(u, "");
	CHECK_EQ(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, MPOL_F_ADDR), 0);
	CHECK_EQ(mode, MPOL_BIND);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, MPOL_F_ADDR), 0);
	CHECK_EQ(mode, MPOL_DEFAULT);
	test_node_device(u, "");
	test_close(u);
	CHECK_EQ(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, MPOL_F_ADDR), 0);
	CHECK_EQ(mode, MPOL_DEFAULT);
}

/*
 * Pages come home from a coherent device in a new mapping: its policy is ours
 * until uhmm_close().
 */
static void test_mapped_anew(void)
{
	struct uhmm *u = test_open();
	char *p = test_map(100);
	int mode = -1;

	test_node_device(u, "");
	test_fill(p, 100, 1);
	test_move(u, p, 100, test_device(u, "dax:4M"));
	test_move(u, p, 100, NULL);
	CHECK_EQ(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, MPOL_F_ADDR), 0);
	CHECK_EQ(mode, MPOL_BIND);
	test_verify(p, 100, 1);
	test_close(u);
	CHECK_EQ(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, MPOL_F_ADDR), 0);
	CHECK_EQ(mode, MPOL_DEFAULT);
}

/* A mapping that the program itself has bound to a node stays bound. */
static void test_own_wish(void)
{
	unsigned long mask[16] = { 1ul << test_node() };
	struct uhmm *u = test_open();
	char *p = test_map(100);

	test_node_device(u, "");
	CHECK_EQ(syscall(SYS_mbind, p, 100 * PAGE, MPOL_BIND, mask, 1025, 0),
		 0);
	CHECK_EQ(uhmm_register(u, p, 100 * PAGE), 0);
	test_fill(p, 100, 1);
	CHECK_EQ(test_count_node(p, 100, test_node()), 100);
	test_close(u);
	test_verify(p, 100, 1);
}

int main(void)
{
	if (geteuid() || node_mib(0, "MemTotal") > 2048)
		test_skip("not a machine whose RAM one may fill");
	test_node();
	test_given_back();
	test_own_wish();
	test_mapped_anew();
	alarm(110);
	CHECK(lands(try_managed, false));
	CHECK(!lands(try_managed, true));
	CHECK(lands(try_own, false));
	CHECK(!lands(try_own, true));
	return 0;
}
