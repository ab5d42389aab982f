// SPDX-License-Identifier: MIT
/*
 * The random operations of model-fake on the real page table, in both fault
 * modes and on each rung of the freeze ladder.
 */
#include "model.h"

int main(int argc, char **argv)
{
	static const struct space_how how[] = {
		{ .mode = UHMM_FAULTS_THREADS },
		{ .mode = UHMM_FAULTS_INLINE },
		{ .mode = UHMM_FAULTS_THREADS, .off = "move" },
		{ .mode = UHMM_FAULTS_INLINE, .off = "move" },
		{ .mode = UHMM_FAULTS_THREADS, .off = "move,scan,procmap" },
		{ .mode = UHMM_FAULTS_INLINE, .off = "move,scan,procmap" },
		{ .mode = UHMM_FAULTS_THREADS, .fail = 20 },
		{ .mode = UHMM_FAULTS_INLINE, .off = "move", .fail = 20 },
		{ .mode = UHMM_FAULTS_THREADS, .lose = true },
		{ .mode = UHMM_FAULTS_THREADS, .unlimited = true },
		{ .mode = UHMM_FAULTS_INLINE, .lose = true, .unlimited = true },
		{ .mode = UHMM_FAULTS_INLINE, .lose = true },
		{ .mode = UHMM_FAULTS_THREADS, .off = "move", .lose = true },
	};
	struct uhmm *u;
	int err = uhmm_open(NULL, &u);

	if (err == -ENOSYS || err == -EPERM) {
		fprintf(stderr, "no userfaultfd here: %d\n", err);
		return TEST_SKIPPED;
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(uhmm_close(u), 0);
	return model_main(argc, argv, space_open_real, how,
			  sizeof(how) / sizeof(*how));
}
