// SPDX-License-Identifier: MIT
/*
 * Many contexts in one process: each serves its own memory.  Inline there is
 * room for so many, and the next one is refused with -EMFILE.
 */
#include <errno.h>
#include <sys/resource.h>

#include "../context.h"

#define NR     40
#define MOST   256
#define NPAGES 8

static struct uhmm *u[NR];
static char *p[NR];

/* Descriptors for all of them. */
static void raise_limit(void)
{
	struct rlimit lim;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

static void each_serves_its_own(void)
{
	for (int i = 0; i < NR; i++) {
		u[i] = test_open();
		p[i] = test_map(NPAGES);
		test_fill(p[i], NPAGES, (uint64_t)i);
		test_move(u[i], p[i], NPAGES, test_device(u[i], "ram:1M"));
	}
	for (int i = NR - 1; i >= 0; i--)
		test_verify(p[i], NPAGES, (uint64_t)i);
	for (int i = 0; i < NR; i++)
		test_close(u[i]);
}

/* Closed contexts make room.  A low limit on descriptors may come first. */
static void no_more_than_fit(void)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .fault_mode = UHMM_FAULTS_INLINE };
	static struct uhmm *more[MOST + 1];
	int n = 0, err;

	while (!(err = uhmm_open(&params, &more[n])))
		CHECK(++n <= MOST);
	CHECK_EQ(err, -EMFILE);
	CHECK(n >= NR);
	test_close(more[--n]);
	CHECK_EQ(uhmm_open(&params, &more[n]), 0);
	for (int i = 0; i <= n; i++)
		test_close(more[i]);
}

int main(void)
{
	raise_limit();
	each_serves_its_own();
	if (test_mode_is("inline"))
		no_more_than_fit();
	return 0;
}
