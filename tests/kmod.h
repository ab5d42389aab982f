/* SPDX-License-Identifier: MIT */
/*
 * kmod.h - a device of the kernel module, where it is loaded, and what the
 * kernel says of its pages.  scripts/vm makes such a machine, if told to.
 */
#ifndef UHMM_TEST_KMOD_H
#define UHMM_TEST_KMOD_H

#include <fcntl.h>

#include "context.h"

/*
 * UHMM_TEST_COHERENT: where memory is set aside, 64 MiB.  Skips the test if
 * there is no module.
 */
static inline struct uhmm_device *test_kmod(struct uhmm *u, bool coherent)
{
	const char *at = getenv("UHMM_TEST_COHERENT");
	char spec[64] = "kmod:64M";

	if (access("/dev/uhmm", R_OK | W_OK))
		test_skip("no /dev/uhmm for this user");
	if (coherent)
		snprintf(spec, sizeof(spec), "kmod:64M,coherent=%s", at);
	return test_device(u, spec);
}

static inline bool test_has_coherent_kmod(void)
{
	return getenv("UHMM_TEST_COHERENT");
}

/*
 * Pages on a private device, as the kernel has it: in /proc/PID/pagemap they
 * are swapped out.
 */
static inline size_t test_count_private(const void *p, size_t npages)
{
	static uint64_t entry[MAX_PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t n = 0, len = npages * sizeof(*entry);

	CHECK(fd >= 0 && npages <= MAX_PAGES);
	CHECK_EQ(pread(fd, entry, len,
		       (off_t)((uintptr_t)p / PAGE * sizeof(*entry))),
		 (ssize_t)len);
	close(fd);
	for (size_t i = 0; i < npages; i++)
		n += entry[i] >> 62 == 1;
	return n;
}

#endif
