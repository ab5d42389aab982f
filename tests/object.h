/* SPDX-License-Identifier: MIT */
/* object.h - for tests of shared memory: a skip where there is none */
#ifndef UHMM_TEST_OBJECT_H
#define UHMM_TEST_OBJECT_H

#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/object.h>

#include "context.h"

#define RW (PROT_READ | PROT_WRITE)

static inline struct uhmm_object *test_object(struct uhmm *u, size_t npages)
{
	struct uhmm_object *o;
	int err = uhmm_object_create(u, npages * PAGE, 0, &o);

	if (err == -EOPNOTSUPP)
		test_skip("no shared memory with this kernel");
	CHECK_EQ(err, 0);
	return o;
}

/* From page @first on. */
static inline char *test_view(struct uhmm_object *o, size_t first,
			      size_t npages, int prot, unsigned flags)
{
	void *p;

	CHECK_EQ(uhmm_object_map(o, first * PAGE, npages * PAGE, prot, flags,
				 &p),
		 0);
	return p;
}

static inline char *test_shared(size_t npages)
{
	char *p = mmap(NULL, npages * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* One more mapping of shared memory. */
static inline char *test_again(char *p, size_t npages)
{
	char *q = mremap(p, 0, npages * PAGE, MREMAP_MAYMOVE);

	CHECK(q != MAP_FAILED);
	return q;
}

/* A child finds the data of seed 1, and leaves those of seed 2. */
static inline void test_refill_in_child(char *p, size_t npages)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, npages, 1);
		test_fill(p, npages, 2);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static inline struct uhmm_object *test_adopt(struct uhmm *u, void *p)
{
	struct uhmm_object *o;
	int err = uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &o);

	if (err == -EOPNOTSUPP)
		test_skip("shared memory cannot be adopted here");
	CHECK_EQ(err, 0);
	return o;
}

#endif
