// SPDX-License-Identifier: MIT
/*
 * Specifications that are no device of the kernel module are refused with the
 * documented error and one sentence in the log, whether the module is loaded or
 * not, and as root or not.
 */
#include <errno.h>

#include "../kmod.h"

static char said[512];
static int messages;

static void note(void *arg, int level, const char *msg)
{
	(void)arg;
	(void)level;
	snprintf(said, sizeof(said), "%s", msg);
	messages++;
}

static void refused(struct uhmm *u, const char *spec, int err, const char *text)
{
	struct uhmm_device *dev = (void *)1;
	int before = messages, is = uhmm_device_open(u, spec, &dev);

	if (is != err || !strstr(said, text))
		fprintf(stderr, "%s: %s: ", spec, said);
	CHECK_EQ(is, err);
	CHECK_EQ(messages, before + 1);
	CHECK(strstr(said, text));
	CHECK(dev == (void *)1);
}

static void test_module(struct uhmm *u)
{
	refused(u, "kmod:100T", -ENOMEM, "no room");
	refused(u, "kmod:64M,coherent=0x1000000", -EPERM, "sets aside");
	refused(u, "kmod:64M,coherent=1000", -EINVAL, "no such device");
}

int main(void)
{
	struct uhmm *u = test_open();

	uhmm_set_log(u, note, NULL);
	refused(u, "kmod", -EINVAL, "there is no size");
	refused(u, "kmod:node=1", -EINVAL, "unknown option");
	refused(u, "kmod:64M,coherent=x", -EINVAL, "no address");
	refused(u, "kmod:64M,coherent=0x", -EINVAL, "no address");
	refused(u, "kmod:64M,coherent=0xfg", -EINVAL, "no address");
	refused(u, "kmod:64M,coherent=0x0", -EINVAL, "no address");
	if (access("/dev/uhmm", F_OK))
		refused(u, "kmod:64M", -ENODEV, "is not loaded");
	else if (access("/dev/uhmm", R_OK | W_OK))
		refused(u, "kmod:64M", -EACCES, "may not open");
	else
		test_module(u);
	test_close(u);
	return 0;
}
