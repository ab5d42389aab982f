// SPDX-License-Identifier: MIT
/*
 * Random operations on the fake page table: with and without MOVE, with and
 * without refusals and failing devices, on one thread and on two.
 *
 * UHMM_TEST_SEED replays, UHMM_TEST_TRACE tells each step.
 */
#include "model.h"

int main(int argc, char **argv)
{
	static const struct space_how how[] = {
		{ .off = NULL },
		{ .off = "move" },
		{ .refuse = 50 },
		{ .off = "move", .refuse = 50 },
		{ .fail = 20 },
		{ .off = "move", .refuse = 30, .fail = 20 },
		{ .flags = UHMM_OPEN_NO_RECYCLE, .refuse = 10, .fail = 10 },
		{ .mode = UHMM_FAULTS_INLINE },
		{ .lose = true },
		{ .unlimited = true },
		{ .lose = true, .unlimited = true },
		{ .off = "move", .refuse = 30, .fail = 30, .lose = true },
	};

	return model_main(argc, argv, space_open_fake, how,
			  sizeof(how) / sizeof(*how));
}
