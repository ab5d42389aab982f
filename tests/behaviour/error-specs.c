// SPDX-License-Identifier: MIT
/*
 * Device specifications that are malformed, unknown or too large are refused
 * with the documented error, one sentence in the log, and nothing changed.
 */
#include "../context.h"

static int messages;

static void count(void *arg, int level, const char *msg)
{
	(void)arg;
	(void)level;
	CHECK(msg && *msg);
	messages++;
}

int main(void)
{
	static const struct {
		const char *spec;
		int err;
	} bad[] = {
		{ "", -EINVAL },
		{ "ram", -EINVAL },
		{ "ram:", -EINVAL },
		{ "ram:0", -EINVAL },
		{ "ram:1", -EINVAL },
		{ "ram:12Q", -EINVAL },
		{ "ram:-1M", -EINVAL },
		{ "ram:1M,", -EINVAL },
		{ "ram:1M,scrub", -EINVAL },
		{ "ram:1M,scrub=maybe", -EINVAL },
		{ "ram:1M,nosuch=1", -EINVAL },
		{ "zram:1M,level=x", -EINVAL },
		{ "ram(scrub=yes):1M", -EINVAL },
		{ "delay(us=50/ram:1M", -EINVAL },
		{ "delay(us=50)ram:1M", -EINVAL },
		{ "/ram:1M", -EINVAL },
		{ "nosuch:1M", -ENOENT },
		{ "nosuch(a=b)/ram:1M", -ENOENT },
		{ "ram:1000T", -ENOMEM },
	};
	struct uhmm *u = test_open();
	struct uhmm_device *dev = (void *)1;

	uhmm_set_log(u, count, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int before = messages, err;

		err = uhmm_device_open(u, bad[i].spec, &dev);
		if (err != bad[i].err)
			fprintf(stderr, "%s: ", bad[i].spec);
		CHECK_EQ(err, bad[i].err);
		CHECK_EQ(messages, before + 1);
		CHECK(dev == (void *)1);
	}
	CHECK_EQ(uhmm_device_open(u, NULL, &dev), -EINVAL);
	CHECK_EQ(uhmm_device_open(u, "ram:1M", &dev), 0);
	CHECK_EQ(test_info(dev).id, 1);
	CHECK_STR(test_info(dev).name, "ram:1M");
	test_close(u);
	return 0;
}
