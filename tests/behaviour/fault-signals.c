// SPDX-License-Identifier: MIT
/*
 * Signals arrive all the time while a thread faults, and their handler touches
 * memory that is away as well: nothing hangs, and both see their data.
 */
#include <sys/time.h>

#include "../context.h"

#define NPAGES 64

static char *area, *other;
static volatile sig_atomic_t handled;

static void on_alarm(int sig)
{
	size_t i = (size_t)handled % NPAGES;

	(void)sig;
	if (*(volatile uint64_t *)(other + i * PAGE) !=
	    test_word(2, i * PAGE_WORDS))
		_exit(3);
	handled++;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_alarm,
				 .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:4M");

	area = test_map_blocks(1);
	other = test_map_blocks(1);
	test_fill(area, NPAGES, 1);
	test_fill(other, NPAGES, 2);
	CHECK_EQ(sigaction(SIGVTALRM, &act, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &often, NULL), 0);
	while (handled < 200) {
		CHECK(uhmm_migrate(u, other, NPAGES * PAGE, dev) >= 0);
		CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
		test_verify(area, NPAGES, 1);
	}
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &never, NULL), 0);
	test_verify(other, NPAGES, 2);
	test_close(u);
	return 0;
}
