// SPDX-License-Identifier: MIT
/*
 * The provider alone: pages go there and come home, whole and in parts, and
 * with it what a device keeps for itself; untouched ones begin as zeroes.  Two
 * devices of one platform copy from one to the other.  Signals keep the
 * handlers that they had.
 */
#include "opencl.h"

#define NPAGES 1500

static void handler(int sig)
{
	(void)sig;
}

static const int signals[] = { SIGSEGV, SIGTERM, SIGINT, SIGILL, SIGUSR1 };

static void set_handlers(void)
{
	struct sigaction act = { .sa_handler = handler };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		CHECK_EQ(sigaction(signals[i], &act, NULL), 0);
}

static void check_handlers(void)
{
	struct sigaction act;

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		CHECK_EQ(sigaction(signals[i], NULL, &act), 0);
		CHECK(act.sa_handler == handler);
	}
}

static void to_and_fro(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	test_move(u, p + 100 * PAGE, 300, NULL);
	test_move(u, p + 200 * PAGE, 100, dev);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(test_info(dev).used, 0);
}

static void zeroes(struct uhmm *u, struct uhmm_device *dev)
{
	char *p = test_map_blocks(1);

	test_move(u, p, BLOCK_PAGES, dev);
	test_verify_zero(p, BLOCK_PAGES);
}

/* A second device, if the platform has one. */
static void peers(struct uhmm *u, struct uhmm_device *dev)
{
	char *p = test_map_blocks(2), spec[300];
	struct uhmm_device *second;
	int err;

	snprintf(spec, sizeof(spec), "%s,device=1", test_cl_spec("16M"));
	uhmm_set_log(u, test_no_log, NULL);
	if (getenv("UHMM_TEST_CL_DEVICE"))
		return;
	err = uhmm_device_open(u, spec, &second);
	CHECK(!err || !getenv("POCL_DEVICES")); /* it was told to have two */
	if (err)
		return;
	test_fill(p, NPAGES / 2, 3);
	test_move(u, p, NPAGES / 2, dev);
	test_move(u, p, NPAGES / 2, second);
	CHECK_EQ(test_stats(u).to_ram, 0);
	test_verify(p, NPAGES / 2, 3);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;

	set_handlers();
	u = test_open();
	dev = test_cl_device(u, "16M");
	check_handlers();
	peers(u, dev);
	to_and_fro(u, dev, test_map_blocks(NPAGES / BLOCK_PAGES + 1));
	zeroes(u, dev);
	CHECK_EQ(test_info(dev).errors, 0);
	test_close(u);
	check_handlers();
	return 0;
}
