// SPDX-License-Identifier: MIT
/*
 * calls_kernel.c - system calls that pairs.c makes beside calls of the library:
 * they change the mappings that those are about, or the process.
 */
#include <sys/wait.h>

#include "pairs.h"

/* The first page of a run of the caller's own. */
static size_t own_run(struct caller *c)
{
	return (caller_below(c, NPAGES / RUN / 3) * 3 + c->nr) * RUN;
}

static void verify_run(size_t i)
{
	for (size_t k = 0; k < RUN; k++)
		verify_page(i + k);
}

/* The data from page @i on are gone: write new data to the run. */
static void refill(struct caller *c, size_t i)
{
	uint64_t word;

	for (size_t k = i; k < i + RUN; k++) {
		if (get_word(at(k), &word))
			CHECK_EQ(word, 0);
		fill_page(k, test_random(&c->seed));
	}
	verify_run(i);
}

void kernel_map_over(struct caller *c)
{
	size_t i = own_run(c);

	verify_run(i);
	CHECK(mmap(at(i), RUN * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at(i));
	refill(c, i);
}

void kernel_discard(struct caller *c)
{
	size_t i = own_run(c);

	verify_run(i);
	CHECK_EQ(madvise(at(i), RUN * PAGE, MADV_DONTNEED), 0);
	refill(c, i);
}

/*
 * Two pages of a run go onto the other two, and leave zeroes.  Not where they
 * may be a device's memory in place, which would stay mapped.
 */
void kernel_remap(struct caller *c)
{
	size_t i = own_run(c), half = RUN / 2;
	char *to = at(i + half);

	if (world.is_placed) {
		kernel_map_over(c);
		return;
	}
	for (size_t k = 0; k < half; k++) {
		CHECK(mremap(at(i + k), PAGE, PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* DONTUNMAP */,
			     to + k * PAGE) == to + k * PAGE);
		world.tag[i + half + k] = world.tag[i + k];
		fill_page(i + k, test_random(&c->seed));
	}
	verify_run(i);
}

void kernel_protect(struct caller *c)
{
	size_t i = own_run(c);

	CHECK_EQ(mprotect(at(i), RUN * PAGE, PROT_READ), 0);
	verify_run(i);
	CHECK_EQ(mprotect(at(i), RUN * PAGE, PROT_READ | PROT_WRITE), 0);
	fill_page(i, test_random(&c->seed));
}

/* The caller's own pages did not change while the child was made. */
_Noreturn static void child(struct caller *c)
{
	struct uhmm *v = NULL;

	alarm(30);
	CHECK_EQ(uhmm_migrate(world.u, world.area, PAGE, NULL), -ENODEV);
	if (world.forks)
		EXPECT("uhmm_inherit", uhmm_inherit(world.u, &v), ENOENT, 0);
	for (size_t i = c->nr * RUN; i < NPAGES; i += 3 * RUN)
		verify_run(i);
	if (v)
		EXPECT("uhmm_close", uhmm_close(v),
		       pair_flags & LOSES ? EIO : NONE, 0);
	_exit(0);
}

void kernel_fork(struct caller *c)
{
	pid_t pid;
	int status;

	pthread_mutex_lock(&no_fork);
	pid = fork();
	if (pid)
		pthread_mutex_unlock(&no_fork);
	CHECK(pid >= 0);
	if (!pid)
		child(c);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}
