// SPDX-License-Identifier: MIT
/*
 * jemalloc's arenas in our reserve, through its extent hooks.
 *
 * An extent is handed out uncommitted, without memory.  jemalloc calls the
 * commit hook before anybody may touch a page of the extent, so memory is
 * counted there.  jemalloc's metadata stay outside the reserve: only the
 * experimental call makes an arena with hooks for extents alone.
 */
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <uhmm/provider.h>

#include "mutex.h"
#include "preload.h"

#define MAX_ARENAS 32

/*
 * The mover would demote freed pages as if their data mattered.  So jemalloc
 * returns them to the kernel sooner than after its 10 s.
 */
#define DECAY_MS 1000

/* A copy of the struct in jemalloc's internal headers. */
struct arena_config {
	extent_hooks_t *hooks;
	bool metadata_use_hooks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned arenas[MAX_ARENAS];
static unsigned nr_arenas, max_arenas, next_arena;

static void *on_alloc(extent_hooks_t *hooks, void *new_addr, size_t size,
		      size_t align, bool *zero, bool *commit, unsigned arena)
{
	int err = errno;
	void *p = new_addr ? NULL : manage_extent(size, align, *commit);

	errno = err;
	if (p)
		*zero = true;
	return p;
}

/* True: refused, so jemalloc keeps the extent for later use. */
static bool on_dalloc(extent_hooks_t *hooks, void *addr, size_t size,
		      bool committed, unsigned arena)
{
	return true;
}

static bool on_commit(extent_hooks_t *hooks, void *addr, size_t size,
		      size_t offset, size_t len, unsigned arena)
{
	uintptr_t start = (uintptr_t)addr + offset;
	int err = errno;

	manage_commit(start, start + len);
	errno = err;
	return false;
}

/* The program has no use for the data, so copies on devices go as well. */
static bool discard(uintptr_t start, size_t len)
{
	int err = errno;
	bool failed = advise_discard((void *)start, len, MADV_DONTNEED) < 0;

	errno = err;
	return failed;
}

static bool on_decommit(extent_hooks_t *hooks, void *addr, size_t size,
			size_t offset, size_t len, unsigned arena)
{
	uintptr_t start = (uintptr_t)addr + offset;

	if (discard(start, len))
		return true;
	manage_decommit(start, start + len);
	return false;
}

static bool on_purge(extent_hooks_t *hooks, void *addr, size_t size,
		     size_t offset, size_t len, unsigned arena)
{
	return discard((uintptr_t)addr + offset, len);
}

static bool on_split(extent_hooks_t *hooks, void *addr, size_t size,
		     size_t size_a, size_t size_b, bool committed,
		     unsigned arena)
{
	return false;
}

static bool on_merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b,
		     size_t size_b, bool committed, unsigned arena)
{
	return !reserve_is_same((uintptr_t)a, (uintptr_t)b);
}

static extent_hooks_t hooks_ = {
	.alloc = on_alloc,
	.dalloc = on_dalloc,
	.commit = on_commit,
	.decommit = on_decommit,
	.purge_forced = on_purge,
	.split = on_split,
	.merge = on_merge,
};

static void set_decay(unsigned arena, const char *which, ssize_t ms)
{
	char name[64];

	uhmm_format(name, sizeof(name), "arena.%u.%s_decay_ms", arena, which);
	mallctl(name, NULL, NULL, &ms, sizeof(ms));
}

static bool create_arena(unsigned *ret)
{
	struct arena_config config = { &hooks_, false };
	size_t len = sizeof(*ret);

	if (mallctl("experimental.arenas_create_ext", ret, &len, &config,
		    sizeof(config)))
		return false;
	set_decay(*ret, "dirty", DECAY_MS);
	set_decay(*ret, "muzzy", 0);
	return true;
}

static unsigned count_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

/* Take arenas in turn; make a new one until there are @max_arenas. */
static bool choose(unsigned *ret)
{
	unsigned n;
	bool ok = true;

	mutex_lock(&lock);
	if (!max_arenas) {
		max_arenas = 2 * count_cpus();
		if (max_arenas > MAX_ARENAS)
			max_arenas = MAX_ARENAS;
	}
	n = next_arena++ % max_arenas;
	if (n >= nr_arenas) {
		ok = create_arena(&arenas[nr_arenas]);
		nr_arenas += ok;
		n = nr_arenas - 1;
	}
	if (nr_arenas)
		*ret = arenas[n];
	ok = nr_arenas > 0;
	mutex_unlock(&lock);
	return ok;
}

/*
 * Around fork(2).  Locked before jemalloc's own locks: an arena is made with
 * this lock held.
 */
static void lock_arenas(void)
{
	mutex_lock(&lock);
}

static void unlock_arenas(void)
{
	mutex_unlock(&lock);
}

void arena_init(void)
{
	pthread_atfork(lock_arenas, unlock_arenas, unlock_arenas);
}

void arena_keep(void)
{
	/*
	 * Have the filter see no system call of jemalloc's later: this malloc()
	 * reads the limits and counts the CPUs now.
	 */
	void *volatile p = malloc(16 * PAGE);

	free(p);
	inside_enter();
	mutex_lock(&lock);
	for (unsigned i = 0; i < nr_arenas; i++) {
		set_decay(arenas[i], "dirty", -1);
		set_decay(arenas[i], "muzzy", -1);
	}
	set_decay(0, "dirty", -1);
	set_decay(0, "muzzy", -1);
	mutex_unlock(&lock);
	inside_leave();
}

void arena_assign(void)
{
	unsigned arena;

	inside_enter();
	if (choose(&arena))
		mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
	thread.has_arena = true;
	inside_leave();
}
