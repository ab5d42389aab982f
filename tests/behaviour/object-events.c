// SPDX-License-Identifier: MIT
/*
 * A program changes the views of an object.  mremap(2) moves a view, or makes
 * one more of it.  madvise(2) with MADV_DONTNEED keeps the data, as it does
 * with all shared memory; uhmm_object_discard() does not.  A view that is
 * unmapped in part goes on with the rest.  A view that could grow unseen keeps
 * the pages of its object in RAM.
 */
#include <sys/wait.h>

#include "../object.h"

#define NPAGES 64

static struct uhmm *u;
static struct uhmm_device *dev;

static void remaps(void)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	char *to = test_map(NPAGES), *more;

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_EQ(test_count_on(u, to, NPAGES, dev), NPAGES);
	test_verify(to, NPAGES, 1);
	test_move(u, to, NPAGES, dev);

	more = mremap(to, 0, NPAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(more != MAP_FAILED);
	CHECK_EQ(test_count_on(u, more, NPAGES, dev), NPAGES);
	test_verify(more, NPAGES, 1);
	test_move(u, more, NPAGES, dev);
	test_fill(to, NPAGES, 2);
	test_verify(more, NPAGES, 2);
	CHECK_EQ(munmap(to, NPAGES * PAGE), 0);
	test_move(u, more, NPAGES, dev);
	test_verify(more, NPAGES, 2);
	CHECK_EQ(munmap(more, NPAGES * PAGE), 0);

	/* nobody maps it, and it is there still */
	p = test_view(o, 0, NPAGES, RW, 0);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void discards(void)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	char *q = test_view(o, 0, NPAGES, RW, 0);

	test_fill(p, NPAGES, 3);
	test_move(u, p, NPAGES / 2, dev);
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	test_verify(p, NPAGES, 3);
	test_move(u, p, NPAGES / 2, dev);
	CHECK_EQ(uhmm_object_discard(o, 0, NPAGES * PAGE), 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), 0);
	test_verify_zero(q, NPAGES);
	test_fill(q, NPAGES, 4);
	test_verify(p, NPAGES, 4);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void cut_short(void)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	char *q = test_view(o, 0, NPAGES, RW, 0);
	uint8_t why[NPAGES];

	test_fill(p, NPAGES, 5);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(munmap(p + NPAGES / 2 * PAGE, NPAGES / 2 * PAGE), 0);
	test_verify(p, NPAGES / 2, 5);
	test_verify(q, NPAGES, 5);
	CHECK_EQ(uhmm_migrate_why(u, q, NPAGES * PAGE, dev, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_SHARED);
	CHECK_EQ(munmap(p, NPAGES / 2 * PAGE), 0);
	test_move(u, q, NPAGES, dev);
	test_verify(q, NPAGES, 5);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

/* Not those of a child, in which they are not mapped. */
static void forks(void)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	int status;
	pid_t pid;

	test_fill(p, NPAGES, 6);
	test_move(u, p, NPAGES, dev);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(test_read_raises(p) == SIGSEGV ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 6);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void locks(void)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);
	char *q = test_view(o, 0, NPAGES, RW, 0);
	uint8_t why[NPAGES];

	test_fill(p, NPAGES, 7);
	CHECK_EQ(test_mlock(q, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_LOCKED);
	CHECK_EQ(test_munlock(q, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_pin(u, q, PAGE), 0);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 1);
	CHECK_EQ(why[0], UHMM_WHY_PINNED);
	CHECK_EQ(uhmm_object_destroy(o), -EBUSY);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), 0);
	test_verify(q, NPAGES, 7);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

int main(void)
{
	test_catch(SIGSEGV);
	u = test_open();
	dev = test_device(u, "ram:16M");
	for (int round = 0; round < 3; round++) {
		remaps();
		discards();
		cut_short();
		forks();
		locks();
	}
	test_close(u);
	return 0;
}
