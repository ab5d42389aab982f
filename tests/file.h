/* SPDX-License-Identifier: MIT */
/* file.h - for tests of files that are mapped: files, and what is in them */
#ifndef UHMM_TEST_FILE_H
#define UHMM_TEST_FILE_H

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/file.h>

#include "context.h"

#define RW (PROT_READ | PROT_WRITE)

/* @npages with data of @seed, in a file that ends with the last of them. */
static inline int test_file(size_t npages, uint64_t seed)
{
	char name[] = "/var/tmp/uhmm-test-XXXXXX", *p;
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	unlink(name);
	p = malloc(npages * PAGE);
	CHECK(p);
	test_fill(p, npages, seed);
	CHECK_EQ(pwrite(fd, p, npages * PAGE, 0), (ssize_t)(npages * PAGE));
	free(p);
	return fd;
}

/* From page @first of the file on. */
static inline char *test_map_file(struct uhmm *u, int fd, size_t first,
				  size_t npages, int prot)
{
	void *p;
	int err = uhmm_map_file(u, fd, first * PAGE, npages * PAGE, prot,
				UHMM_FILE_RELAXED, &p);

	CHECK_EQ(err, 0);
	return p;
}

/* Does the library see which pages are written to? */
static inline bool test_sees_writes(struct uhmm *u)
{
	return test_has(u, "kernel-faults") && !test_has(u, "inline");
}

/* Do pages of the file from @first on equal what is at @p? */
static inline void test_file_is(int fd, size_t first, const char *p,
				size_t npages)
{
	char *q = malloc(npages * PAGE);

	CHECK(q);
	CHECK_EQ(pread(fd, q, npages * PAGE, (off_t)(first * PAGE)),
		 (ssize_t)(npages * PAGE));
	CHECK_MEM(q, p, npages * PAGE);
	free(q);
}

/* Does the file hold the data of @seed? */
static inline void test_file_verify(int fd, size_t npages, uint64_t seed)
{
	char *q = malloc(npages * PAGE);

	CHECK(q);
	CHECK_EQ(pread(fd, q, npages * PAGE, 0), (ssize_t)(npages * PAGE));
	test_verify(q, npages, seed);
	free(q);
}

#endif
