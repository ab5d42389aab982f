// SPDX-License-Identifier: MIT
/*
 * Torture of the allocator and of anonymous mappings: many threads take, grow,
 * check, exchange and free blocks of all sizes with all functions of the
 * malloc family, while the process forks.  Every byte of a block tells the
 * block's owner.  torture.sh runs this ordinary program under "uhmm run".
 *
 *	torture THREADS OPERATIONS MIB FORKS [inline]
 *
 * MIB is about what each thread holds.  "inline": no system call is given a
 * block, since in that mode it may fail.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define SLOTS	    256
#define SHARED	    64
#define PAGE	    ((size_t)4096)
#define MAX_THREADS 64

enum kind {
	FREE,
	HEAP,
	MAPPING
};

struct slot {
	enum kind kind;
	unsigned char *p;
	size_t len;
	uint64_t tag;
};

struct worker {
	pthread_t thread;
	uint64_t random;
	size_t held;
	uint64_t checked;
	struct slot slots[SLOTS];
};

static struct worker workers[MAX_THREADS];
static unsigned nr_operations;
static size_t budget;
static bool may_write;
static int file;

/* Blocks on their way from one thread to another. */
static struct slot shared[SHARED];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t draw(struct worker *w)
{
	w->random = w->random * UINT64_C(6364136223846793005) +
		    UINT64_C(1442695040888963407);
	return w->random >> 29;
}

/* ---- Contents: 8 bytes say the tag and the place, the rest is sparse ---- */

static size_t step_of(size_t len)
{
	return len > 65536 ? 1024 : 8;
}

static void fill(const struct slot *s, size_t from)
{
	size_t step = step_of(s->len);

	for (size_t i = (from + step - 1) / step * step; i + 8 <= s->len;
	     i += step) {
		uint64_t v = s->tag ^ (i * UINT64_C(0x9e3779b97f4a7c15));

		memcpy(s->p + i, &v, 8);
	}
}

static void verify(const struct slot *s, size_t len, size_t step)
{
	for (size_t i = 0; i + 8 <= len; i += step) {
		uint64_t v,
			wanted = s->tag ^ (i * UINT64_C(0x9e3779b97f4a7c15));

		memcpy(&v, s->p + i, 8);
		if (v != wanted) {
			fprintf(stderr,
				"block %p, %zu bytes, at %zu: %#jx, not %#jx\n",
				(void *)s->p, s->len, i, (uintmax_t)v,
				(uintmax_t)wanted);
			test_fail();
		}
	}
}

static void verify_zero(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i<len; i += len> 65536 ? 509 : 1)
		CHECK_EQ(p[i], 0);
}

/* ---- Operations --------------------------------------------------------- */

static size_t draw_size(struct worker *w)
{
	switch (draw(w) % 16) {
	case 0:
		return draw(w) % (4 << 20);
	case 1:
	case 2:
		return draw(w) % (256 << 10);
	case 3 ... 6:
		return draw(w) % (32 << 10);
	default:
		return draw(w) % 2048;
	}
}

static size_t draw_alignment(struct worker *w)
{
	return sizeof(void *) << draw(w) % 14;
}

static void *take(struct worker *w, size_t len, size_t *ret_align)
{
	size_t align = draw_alignment(w);
	void *p = NULL;

	*ret_align = 16;
	switch (draw(w) % 10) {
	case 0:
		p = calloc(len / 8 + 1, 8);
		CHECK(p);
		verify_zero(p, len);
		return p;
	case 1:
		*ret_align = align;
		CHECK_EQ(posix_memalign(&p, align, len), 0);
		return p;
	case 2:
		*ret_align = align;
		return aligned_alloc(align, len);
	case 3:
		*ret_align = align;
		return memalign(align, len);
	case 4:
		*ret_align = PAGE;
		return draw(w) % 2 ? valloc(len) : pvalloc(len);
	case 5:
		return reallocarray(NULL, len / 16 + 1, 16);
	case 6:
		return realloc(NULL, len);
	default:
		return malloc(len);
	}
}

static void new_heap(struct worker *w, struct slot *s, size_t len)
{
	size_t align;

	s->p = take(w, len, &align);
	CHECK(s->p);
	CHECK_EQ((uintptr_t)s->p % (len < 16 && align == 16 ? 8 : align), 0);
	CHECK(malloc_usable_size(s->p) >= len);
	s->kind = HEAP;
	s->len = len;
}

static void new_mapping(struct slot *s, size_t len)
{
	s->len = (len + (1 << 20) + PAGE - 1) & ~(PAGE - 1);
	s->p = mmap(NULL, s->len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(s->p != MAP_FAILED);
	verify_zero(s->p, s->len);
	s->kind = MAPPING;
}

static void new_block(struct worker *w, struct slot *s)
{
	size_t len = draw_size(w);

	if (draw(w) % 64)
		new_heap(w, s, len);
	else
		new_mapping(s, len);
	s->tag = draw(w);
	w->held += s->len;
	fill(s, 0);
}

static void drop(struct worker *w, struct slot *s)
{
	verify(s, s->len, step_of(s->len));
	w->checked += s->len;
	w->held -= s->len;
	if (s->kind == HEAP)
		free(s->p);
	else
		CHECK_EQ(munmap(s->p, s->len), 0);
	*s = (struct slot){ 0 };
}

static void resize(struct worker *w, struct slot *s)
{
	size_t old = s->len, len = draw_size(w) + 1;
	size_t step = step_of(old) > step_of(len) ? step_of(old) : step_of(len);

	w->held -= old;
	if (s->kind == HEAP) {
		s->p = realloc(s->p, len);
		CHECK(s->p);
	} else {
		len = (len + (1 << 20) + PAGE - 1) & ~(PAGE - 1);
		s->p = mremap(s->p, old, len, MREMAP_MAYMOVE);
		CHECK(s->p != MAP_FAILED);
		if (len > old)
			verify_zero(s->p + old, len - old);
	}
	verify(s, old < len ? old : len, step);
	s->len = len;
	w->held += len;
	fill(s, 0);
}

/* Throw the contents away and find zeroes. */
static void discard(struct slot *s)
{
	if (s->kind != MAPPING)
		return;
	CHECK_EQ(madvise(s->p, s->len, MADV_DONTNEED), 0);
	verify_zero(s->p, s->len);
	fill(s, 0);
}

static void exchange(struct worker *w, struct slot *s)
{
	struct slot *other = &shared[draw(w) % SHARED];
	struct slot mine = *s;

	w->held -= mine.len;
	pthread_mutex_lock(&shared_lock);
	*s = *other;
	*other = mine;
	pthread_mutex_unlock(&shared_lock);
	w->held += s->len;
}

/* The kernel reads the block, then writes it, wherever its pages are. */
static void through_kernel(struct worker *w, const struct slot *s)
{
	off_t at = (off_t)(w - workers) << 24;

	if (!may_write || !s->len)
		return;
	CHECK_EQ(pwrite(file, s->p, s->len, at), s->len);
	CHECK_EQ(pread(file, s->p, s->len, at), s->len);
	verify(s, s->len, step_of(s->len));
}

static void operate(struct worker *w)
{
	struct slot *s = &w->slots[draw(w) % SLOTS];

	if (s->kind == FREE) {
		if (w->held < budget)
			new_block(w, s);
		return;
	}
	switch (draw(w) % 8) {
	case 0:
		resize(w, s);
		break;
	case 1:
		verify(s, s->len, step_of(s->len));
		through_kernel(w, s);
		break;
	case 2:
		exchange(w, s);
		break;
	case 3:
		discard(s);
		break;
	default:
		drop(w, s);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < nr_operations; i++)
		operate(w);
	for (size_t i = 0; i < SLOTS; i++)
		if (w->slots[i].kind != FREE)
			drop(w, &w->slots[i]);
	return NULL;
}

/* A thread that lives briefly: its arena and caches come and go. */
static void *brief(void *arg)
{
	char *p = malloc(100000);

	CHECK(p);
	memset(p, 7, 100000);
	free(p);
	return arg;
}

/* The child sees the parent's blocks as they were, and can allocate. */
static void child(struct worker *w)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (w->slots[i].kind != FREE)
			verify(&w->slots[i], w->slots[i].len,
			       step_of(w->slots[i].len));
	for (int i = 0; i < 500; i++)
		operate(w);
	_exit(0);
}

static void fork_and_check(struct worker *w)
{
	pthread_t t;
	pid_t pid;
	int status;

	CHECK_EQ(pthread_create(&t, NULL, brief, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	/* Held: the child must not find it taken by a thread it lacks. */
	pthread_mutex_lock(&shared_lock);
	pid = fork();
	pthread_mutex_unlock(&shared_lock);
	CHECK(pid >= 0);
	if (!pid)
		child(w);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(int argc, char **argv)
{
	unsigned nr = argc > 1 ? (unsigned)atoi(argv[1]) : 4;
	unsigned nr_forks = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
	struct worker *own = &workers[nr];
	uint64_t checked = 0;

	CHECK(nr < MAX_THREADS);
	nr_operations = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;
	budget = (size_t)(argc > 3 ? atoi(argv[3]) : 8) << 20;
	may_write = !(argc > 5 && strcmp(argv[5], "inline") == 0);
	file = memfd_create("torture", MFD_CLOEXEC);
	CHECK(file >= 0);
	for (unsigned i = 0; i <= nr; i++)
		workers[i].random = test_seed() + i;
	for (unsigned i = 0; i < nr; i++)
		CHECK_EQ(pthread_create(&workers[i].thread, NULL, work,
					&workers[i]),
			 0);
	for (unsigned i = 0; i < nr_forks; i++) {
		for (int k = 0; k < 200; k++)
			operate(own);
		fork_and_check(own);
	}
	for (unsigned i = 0; i < nr; i++) {
		CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
		checked += workers[i].checked;
	}
	printf("%u threads, %ju MiB checked\n", nr, (uintmax_t)(checked >> 20));
	return 0;
}
