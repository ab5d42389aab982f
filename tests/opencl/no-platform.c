// SPDX-License-Identifier: MIT
/*
 * Where no platform is installed: -ENODEV, and a sentence that says what would
 * mend it.
 */
#include <uhmm/provider.h>

#include "opencl.h"

static char said[512];

static void keep(void *arg, int level, const char *msg)
{
	(void)arg;
	(void)level;
	snprintf(said, sizeof(said), "%s", msg);
}

static void nothing(void *arg, const struct uhmm_found *found)
{
	(void)arg;
	(void)found;
	CHECK(false);
}

static const struct uhmm_provider *find(const char *name)
{
	const struct uhmm_provider *p = NULL;

	while ((p = uhmm_provider_next(p)))
		if (!strcmp(p->name, name))
			break;
	return p;
}

int main(void)
{
	struct uhmm_device *dev = NULL;
	struct uhmm_cl *cl = NULL;
	struct uhmm *u;
	char why[256];

	CHECK_EQ(setenv("OCL_ICD_VENDORS", "/nonexistent", 1), 0);
	unsetenv("OCL_ICD_FILENAMES");
	u = test_open();
	uhmm_set_log(u, keep, NULL);
	CHECK_EQ(uhmm_device_open(u, "opencl:1M", &dev), -ENODEV);
	CHECK(strstr(said, "opencl"));
	CHECK_EQ(uhmm_cl_open(u, "opencl:1M", &cl), -ENODEV);
	CHECK(!dev && !cl);
	CHECK(find("opencl"));
	CHECK_EQ(find("opencl")->list(nothing, NULL, why, sizeof(why)),
		 -ENODEV);
	CHECK(strstr(why, "install"));
	test_close(u);
	return 0;
}
