// SPDX-License-Identifier: MIT
/*
 * shared WAY: a program that uses shared anonymous memory, 48 MiB of it, and
 * checks all that it reads.
 *
 *	pool	as a database does: workers are forked, all change the pool, and
 *		the parent goes on alone, several times
 *	change	mremap(2), madvise(2), mprotect(2), munmap(2)
 *	exec	children that are programs of their own
 *	io	system calls that use it, and locks in it
 *	many	mapped and unmapped, more often than there can be objects
 *	remove	madvise(2), MADV_REMOVE of several mappings at once
 *	beside	one thread maps memory where another one has just unmapped some
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096UL
#define NPAGES	(48UL << 20 >> 12)
#define WORKERS 3
#define MANY	300

extern char **environ;

#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "shared.c:%d: %s: %s\n", __LINE__, #x, \
				strerror(errno));                              \
			_exit(1);                                              \
		}                                                              \
	} while (0)

/* A page of the pool: a number that says which, and counts of changes. */
struct page {
	uint64_t number;
	_Atomic uint64_t changes;
	uint64_t rest[PAGE / 8 - 2];
};

static struct page *map_pool(size_t npages)
{
	void *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void fill(struct page *pool, size_t npages, uint64_t seed)
{
	for (size_t i = 0; i < npages; i++) {
		pool[i].number = seed + i;
		for (size_t k = 0; k < PAGE / 8 - 2; k += 32)
			pool[i].rest[k] = (seed + i) * 2654435761U ^ k;
	}
}

static void verify(const struct page *pool, size_t npages, uint64_t seed)
{
	for (size_t i = 0; i < npages; i++) {
		CHECK(pool[i].number == seed + i);
		for (size_t k = 0; k < PAGE / 8 - 2; k += 32)
			CHECK(pool[i].rest[k] ==
			      ((seed + i) * 2654435761U ^ k));
	}
}

static void join(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

/* ---- pool ---- */

static void work(struct page *pool)
{
	verify(pool, NPAGES, 7);
	for (size_t i = 0; i < NPAGES; i++)
		atomic_fetch_add(&pool[i].changes, 1);
}

static void way_pool(void)
{
	struct page *pool = map_pool(NPAGES);
	uint64_t rounds = 0;
	pid_t pid[WORKERS];

	fill(pool, NPAGES, 7);
	for (int turn = 0; turn < 3; turn++) {
		verify(pool, NPAGES, 7);
		for (int i = 0; i < WORKERS; i++) {
			pid[i] = fork();
			CHECK(pid[i] >= 0);
			if (!pid[i]) {
				work(pool);
				_exit(0);
			}
		}
		work(pool);
		for (int i = 0; i < WORKERS; i++)
			join(pid[i]);
		rounds += WORKERS + 1;
		for (int k = 0; k < 3; k++)
			for (size_t i = 0; i < NPAGES; i++)
				CHECK(pool[i].changes == rounds);
	}
}

/* ---- change ---- */

static void way_change(void)
{
	struct page *pool = map_pool(NPAGES), *more, *to;
	const size_t half = NPAGES / 2;

	fill(pool, NPAGES, 1);
	more = mremap(pool, 0, NPAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(more != MAP_FAILED);
	verify(more, NPAGES, 1);
	fill(more, NPAGES, 2);
	verify(pool, NPAGES, 2);
	CHECK(!madvise(pool, NPAGES * PAGE, MADV_DONTNEED));
	verify(more, NPAGES, 2);
	CHECK(!mprotect(more, NPAGES * PAGE, PROT_READ));
	fill(pool, NPAGES, 3);
	verify(more, NPAGES, 3);

	to = mremap(pool, NPAGES * PAGE, NPAGES * PAGE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, map_pool(NPAGES));
	CHECK(to != MAP_FAILED);
	verify(to, NPAGES, 3);

	CHECK(!madvise(to, half * PAGE, MADV_REMOVE));
	for (size_t i = 0; i < half; i++)
		CHECK(!more[i].number && !to[i].rest[0]);
	verify(more + half, NPAGES - half, 3 + half);

	fill(to, NPAGES, 4);
	CHECK(!munmap(more, NPAGES * PAGE));
	CHECK(!munmap(to + half, (NPAGES - half) * PAGE));
	verify(to, half, 4);
	CHECK(!munmap(to, half * PAGE));
}

/* ---- exec, many ---- */

static void way_exec(void)
{
	struct page *pool = map_pool(NPAGES);
	char name[] = "true", *argv[] = { name, NULL };
	pid_t pid;

	for (uint64_t turn = 1; turn < 4; turn++) {
		fill(pool, NPAGES, turn);
		CHECK(!posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
		join(pid);
		pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			execvp("true", argv);
			_exit(1);
		}
		join(pid);
		verify(pool, NPAGES, turn);
	}
}

/* Each call on as much as a program would use, some pages of which are away. */
static void write_and_read(struct page *pool)
{
	const size_t step = 256 * PAGE;
	FILE *f = tmpfile();
	int fd;

	CHECK(f);
	fd = fileno(f);
	for (size_t at = 0; at < NPAGES * PAGE; at += step)
		CHECK(write(fd, (char *)pool + at, step) == (ssize_t)step);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	memset(pool, 0, NPAGES * PAGE);
	for (size_t at = 0; at < NPAGES * PAGE; at += step)
		CHECK(read(fd, (char *)pool + at, step) == (ssize_t)step);
	fclose(f);
}

struct locked {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	uint64_t turn;
};

/* The processes take turns, which each tells the next one. */
static void take_turns(struct locked *l, uint64_t me, uint64_t nr)
{
	for (uint64_t k = 0; k < 200; k++) {
		CHECK(!pthread_mutex_lock(&l->mutex));
		while (l->turn % nr != me)
			CHECK(!pthread_cond_wait(&l->cond, &l->mutex));
		l->turn++;
		CHECK(!pthread_cond_broadcast(&l->cond));
		CHECK(!pthread_mutex_unlock(&l->mutex));
	}
}

static void init_locked(struct locked *l)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;

	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	CHECK(!pthread_mutex_init(&l->mutex, &mutex));
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	CHECK(!pthread_cond_init(&l->cond, &cond));
	l->turn = 0;
}

static void way_io(void)
{
	struct locked *l = (struct locked *)map_pool(512);
	struct page *pool = map_pool(NPAGES);
	pid_t pid;

	init_locked(l);
	fill(pool, NPAGES, 6);
	write_and_read(pool);
	verify(pool, NPAGES, 6);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		take_turns(l, 1, 2);
		write_and_read(pool);
		_exit(0);
	}
	take_turns(l, 0, 2);
	join(pid);
	verify(pool, NPAGES, 6);
	take_turns(l, 0, 1);
	write_and_read(pool);
	verify(pool, NPAGES, 6);
}

static void way_many(void)
{
	struct page *whole = map_pool(NPAGES);

	fill(whole, NPAGES, 5);
	for (uint64_t i = 0; i < MANY; i++) {
		struct page *p = map_pool(512);

		CHECK(!p[i].number);
		fill(p, 512, i);
		verify(p, 512, i);
		CHECK(!munmap(p, 512 * PAGE));
	}
	verify(whole, NPAGES, 5);
}

/* ---- remove ---- */

/* Twice the memory, one behind the other. */
static struct page *map_twice(size_t npages)
{
	struct page *p = map_pool(npages), *room = map_pool(2 * npages), *q;
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED;

	q = room + npages;
	CHECK(mremap(p, npages * PAGE, npages * PAGE, how, room) == room);
	CHECK(mremap(room, 0, npages * PAGE, how, q) == q);
	return room;
}

/* The end of one mapping and the beginning of the next: together all of it. */
static void way_remove(void)
{
	struct page *p = map_twice(NPAGES), *other = map_pool(512), *longer;
	const size_t half = NPAGES / 2;

	fill(p, NPAGES, 1);
	CHECK(!madvise(p + half, NPAGES * PAGE, MADV_REMOVE));
	for (size_t i = 0; i < 2 * NPAGES; i++)
		CHECK(!p[i].number && !p[i].rest[0]);

	/* longer than the memory that it shows */
	longer = map_pool(512);
	fill(longer, 512, 2);
	fill(other, 512, 3);
	fill(p, NPAGES, 4);
	longer = mremap(longer, 512 * PAGE, 4096 * PAGE, MREMAP_MAYMOVE);
	CHECK(longer != MAP_FAILED);
	madvise(longer, 4096 * PAGE, MADV_REMOVE);
	for (size_t i = 0; i < 512; i++)
		CHECK(!longer[i].number);
	verify(other, 512, 3);
	verify(p + NPAGES, NPAGES, 4);
}

/* ---- beside ---- */

/* Under @fd, which is told of unmaps by the kernel, as uhmm is. */
struct unmapped {
	void *p;
	size_t len;
};

static void *unmap_all(void *arg)
{
	const struct unmapped *m = arg;

	CHECK(!munmap(m->p, m->len));
	return NULL;
}

/*
 * Have a thread unmap @npages of shared memory and a page behind, and be held
 * in munmap(2) until @fd is read: the addresses are free.
 */
static pthread_t unmap_held(int fd, struct page *p, size_t npages)
{
	static struct unmapped m;
	struct uffdio_register r = { .range = { (uintptr_t)(p + npages), PAGE },
				     .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pollfd held = { .fd = fd, .events = POLLIN };
	pthread_t t;

	CHECK(mmap(p + npages, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == p + npages);
	CHECK(!ioctl(fd, UFFDIO_REGISTER, &r));
	m = (struct unmapped){ p, (npages + 1) * PAGE };
	CHECK(!pthread_create(&t, NULL, unmap_all, &m));
	CHECK(poll(&held, 1, -1) == 1);
	return t;
}

static void way_beside(void)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_UNMAP };
	int fd = (int)syscall(SYS_userfaultfd, O_NONBLOCK | 1);
	struct page *p = map_pool(NPAGES + 1), *q;
	struct uffd_msg msg;
	pthread_t t;

	if (fd < 0)
		return; /* nor does the library get one */
	CHECK(!ioctl(fd, UFFDIO_API, &api));
	fill(p, NPAGES, 1);
	t = unmap_held(fd, p, NPAGES);
	q = mmap(p, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p);
	CHECK(read(fd, &msg, sizeof(msg)) == sizeof(msg));
	CHECK(!pthread_join(t, NULL));
	fill(q, NPAGES, 2);
	write_and_read(q);
	verify(q, NPAGES, 2);
	CHECK(!munmap(q, NPAGES * PAGE));
	close(fd);
	way_many();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {
		{ "pool", way_pool },	  { "change", way_change },
		{ "exec", way_exec },	  { "io", way_io },
		{ "many", way_many },	  { "remove", way_remove },
		{ "beside", way_beside },
	};

	for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].run();
			return 0;
		}
	return 2;
}
