// SPDX-License-Identifier: MIT
/*
 * Memory of the library is told apart from the application's, and is not locked
 * by what the application wants locked from now on.
 */
#include <unistd.h>

#include <uhmm/provider.h>

#include "../context.h"

#define NPAGES 600

/* Is all of [@p, @p + @len) told to be the library's?  Ranges rise. */
static bool is_own(const void *p, size_t len)
{
	const char *from = NULL, *want = p, *end = want + len;
	void *start;
	size_t size;

	for (; !uhmm_own_next(from, &start, &size);
	     from = (const char *)start + size) {
		CHECK(size && (const char *)start >= from);
		if ((const char *)start <= want &&
		    want < (const char *)start + size)
			want = (const char *)start + size;
	}
	return want >= end;
}

static void test_errors(void)
{
	void *start = &start;
	size_t len = 7;

	CHECK_EQ(uhmm_own_next(NULL, NULL, &len), -EINVAL);
	CHECK_EQ(uhmm_own_next(NULL, &start, NULL), -EINVAL);
	CHECK_EQ(uhmm_own_next((void *)UINTPTR_MAX, &start, &len), -ENOENT);
	CHECK(start == &start && len == 7);
}

static void test_told(void)
{
	char *ours = test_map(NPAGES);
	void *own = uhmm_provider_alloc(NPAGES * PAGE);

	CHECK(own);
	CHECK(is_own(own, NPAGES * PAGE));
	CHECK(!is_own(ours, PAGE));
	CHECK(!is_own(&ours, 1));
	uhmm_provider_free(own, NPAGES * PAGE);
	CHECK(!is_own(own, PAGE));
	CHECK_EQ(munmap(ours, NPAGES * PAGE), 0);
}

static size_t locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t kib = SIZE_MAX;
	char line[256];

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %zu", &kib);
	fclose(f);
	return kib;
}

/* The device could keep much, and nothing is there yet. */
static void test_not_locked(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p;

	if (geteuid() || mlockall(MCL_FUTURE))
		return; /* the limit of others is lower than what is mapped */
	u = test_open();
	CHECK_EQ(uhmm_device_open(u, "zram:1G", &dev), 0);
	CHECK(locked_kib() < 32 << 10);
	CHECK_EQ(munlockall(), 0);
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_close(u), 0);
}

int main(void)
{
	test_errors();
	test_told();
	test_not_locked();
	return 0;
}
