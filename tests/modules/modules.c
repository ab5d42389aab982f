// SPDX-License-Identifier: MIT
/*
 * Modules that are missing, for another version, or none at all are refused
 * with a sentence; one that is good makes its provider known, and it stays.
 */
#include <uhmm/provider.h>

#include "../context.h"

static char said[512];

static void keep(void *arg, int level, const char *msg)
{
	(void)arg;
	(void)level;
	snprintf(said, sizeof(said), "%s", msg);
}

static void refused(const char *name, int err, const char *part)
{
	char why[512];

	CHECK_EQ(uhmm_module_load(name, why, sizeof(why)), err);
	if (!strstr(why, part))
		fprintf(stderr, "%s: %s\n", name, why);
	CHECK(strstr(why, part));
}

int main(void)
{
	struct uhmm_device *dev = NULL;
	struct uhmm *u = test_open();
	char why[256];

	uhmm_set_log(u, keep, NULL);
	refused("nosuch", -ENOENT, "unknown");
	refused("../good", -ENOENT, "unknown");
	refused("", -ENOENT, "unknown");
	refused("libhidden", -ENOENT, "unknown");
	refused("nosuch", -ENOENT, "; correct the name, or install");
	refused("old", -ENOEXEC, "for version 99 of the interface");
	refused("old", -ENOEXEC, "; rebuild it, or install");
	refused("other", -ENOEXEC, "another provider; give the file the name");
	refused("none", -ENOEXEC, "no module of uhmm; remove it, or rebuild");
	refused("broken", -ENODEV, "broken");
	refused("broken", -ENODEV, "; rebuild the module, or install it with");
	CHECK_EQ(uhmm_module_load(NULL, why, sizeof(why)), -EINVAL);
	CHECK_EQ(uhmm_device_open(u, "old:1M", &dev), -ENOEXEC);
	CHECK(strstr(said, "version"));
	CHECK_EQ(uhmm_module_load("good", why, sizeof(why)), 0);
	CHECK_EQ(uhmm_module_load("good", why, sizeof(why)), 0);
	CHECK_EQ(uhmm_device_open(u, "good:1M", &dev), -ENODEV);
	CHECK(!dev);
	test_close(u);
	return 0;
}
