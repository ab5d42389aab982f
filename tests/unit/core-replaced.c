// SPDX-License-Identifier: MIT
/*
 * A file is mapped over a page while a touch of it is served, which finds that
 * another thread has filled the page: nothing is lost, and nothing says so.
 */
#include <pthread.h>

#include "mm/fake/fake_int.h"
#include "world.h"

static struct mm_ops ops;
static const struct mm_ops *real;
static int nr_calls;

static void *replace(void *arg)
{
	struct mm *mm = arg;

	fake_munmap(mm, FAKE_BASE, FAKE_BASE + PAGE);
	CHECK_EQ(fake_map(mm, FAKE_BASE, FAKE_BASE + PAGE, MM_UNSUPPORTED), 0);
	return NULL;
}

static ssize_t zero_late(struct mm *mm, uintptr_t va, size_t npages, bool write)
{
	pthread_t t;

	if (nr_calls++)
		return real->zero(mm, va, npages, write);
	CHECK_EQ(pthread_create(&t, NULL, replace, mm), 0);
	pthread_join(t, NULL);
	return -EEXIST;
}

int main(void)
{
	struct world w = world_open(NULL);

	world_map(&w, 0, 1);
	CHECK_EQ(uhmm_register(w.u, world_at(0), PAGE), 0);
	real = w.mm->ops;
	ops = *real;
	ops.zero = zero_late;
	w.mm->ops = &ops;
	world_verify_zero(&w, 0, 1);
	CHECK(nr_calls > 0);
	w.mm->ops = real;
	world_close(&w);
	return 0;
}
