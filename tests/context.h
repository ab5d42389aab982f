/* SPDX-License-Identifier: MIT */
/*
 * context.h - a context as the environment wants it, memory with a pattern,
 * and where its pages are.
 *
 * UHMM_TEST_MODE is "threads", "inline" or unset; UHMM_FEATURES_OFF, which the
 * library reads itself, picks the rung.  A test that hangs is killed.
 */
#ifndef UHMM_TEST_CONTEXT_H
#define UHMM_TEST_CONTEXT_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "test.h"

#define PAGE	    uhmm_page_size()
#define BLOCK	    ((size_t)2 << 20)
#define BLOCK_PAGES (BLOCK / PAGE)
#define PAGE_WORDS  (PAGE / sizeof(uint64_t))
#define MAX_PAGES   65536
/* Of any system, for arrays. */
#define MAX_PAGE	((size_t)65536)
#define MAX_BLOCK_PAGES (BLOCK / 4096)

/* ---- The context ---- */

_Noreturn static inline void test_skip(const char *why)
{
	printf("skipped: %s\n", why);
	exit(TEST_SKIPPED);
}

static inline bool test_mode_is(const char *mode)
{
	const char *env = getenv("UHMM_TEST_MODE");

	return env && !strcmp(env, mode);
}

static inline struct uhmm *test_open_with(struct uhmm_params p)
{
	struct uhmm *u;
	int err;

	alarm(test_is_soak() ? 3600 : 50);
	p.size = sizeof(p);
	if (test_mode_is("threads"))
		p.fault_mode = UHMM_FAULTS_THREADS;
	if (test_mode_is("inline"))
		p.fault_mode = UHMM_FAULTS_INLINE;
	err = uhmm_open(&p, &u);
	if (err == -ENOSYS || err == -EPERM)
		test_skip("no userfaultfd for us");
	CHECK_EQ(err, 0);
	return u;
}

static inline struct uhmm *test_open(void)
{
	return test_open_with((struct uhmm_params){ .size = 0 });
}

/* For uhmm_set_log(), where what is said is not what is tested. */
static inline void test_no_log(void *arg, int level, const char *msg)
{
	(void)arg;
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%d: %s\n", level, msg);
}

static inline void test_close(struct uhmm *u)
{
	CHECK_EQ(uhmm_close(u), 0);
}

/* Does uhmm_features() list @name?  "threads", "inline", "move", ... */
static inline bool test_has(struct uhmm *u, const char *name)
{
	char list[512] = ",", want[64];

	CHECK(uhmm_features(u, list + 1, sizeof(list) - 2) <
	      (int)sizeof(list) - 2);
	strcat(list, ",");
	snprintf(want, sizeof(want), ",%s,", name);
	return strstr(list, want) != NULL;
}

static inline struct uhmm_device *test_device(struct uhmm *u, const char *spec)
{
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_open(u, spec, &dev), 0);
	return dev;
}

/* The one that the environment names, or @spec. */
static inline struct uhmm_device *test_any_device(struct uhmm *u,
						  const char *spec)
{
	const char *env = getenv("UHMM_TEST_DEVICE");

	return test_device(u, env ? env : spec);
}

static inline struct uhmm_device_info test_info(struct uhmm_device *dev)
{
	struct uhmm_device_info info = { .size = sizeof(info) };

	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	return info;
}

static inline struct uhmm_stats test_stats(struct uhmm *u)
{
	struct uhmm_stats stats = { .size = sizeof(stats) };

	CHECK_EQ(uhmm_stats(u, &stats), 0);
	return stats;
}

/* ---- Memory ---- */

static inline void *test_map(size_t npages)
{
	void *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Aligned to a block, with nothing next to it. */
static inline void *test_map_blocks(size_t nblocks)
{
	char *room = mmap(NULL, (nblocks + 3) * BLOCK, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p = (char *)(((uintptr_t)room + 2 * BLOCK - 1) & ~(BLOCK - 1));

	CHECK(room != MAP_FAILED);
	CHECK_EQ(munmap(room, (nblocks + 3) * BLOCK), 0);
	CHECK(mmap(p, nblocks * BLOCK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p);
	return p;
}

static inline uint64_t test_word(uint64_t seed, size_t i)
{
	return (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)i << 20;
}

/* Every word of every page differs, also from those of another seed. */
static inline void test_fill(void *p, size_t npages, uint64_t seed)
{
	volatile uint64_t *w = p;

	for (size_t i = 0; i < npages * PAGE_WORDS; i++)
		w[i] = test_word(seed, i);
}

static inline void test_verify(const void *p, size_t npages, uint64_t seed)
{
	const volatile uint64_t *w = p;

	for (size_t i = 0; i < npages * PAGE_WORDS; i++) {
		uint64_t is = w[i];

		if (is == test_word(seed, i))
			continue;
		fprintf(stderr, "page %zu, word %zu: %#jx, not %#jx\n",
			i / PAGE_WORDS, i % PAGE_WORDS, (uintmax_t)is,
			(uintmax_t)test_word(seed, i));
		test_fail();
	}
}

static inline void test_verify_zero(const void *p, size_t npages)
{
	const volatile uint64_t *w = p;

	for (size_t i = 0; i < npages * PAGE_WORDS; i++)
		CHECK_EQ(w[i], 0);
}

/* ---- Where pages are ---- */

/* The snapshot of @npages, good until the next call. */
static inline const uhmm_pfn_t *test_pfns(struct uhmm *u, const void *p,
					  size_t npages)
{
	static uhmm_pfn_t pfns[MAX_PAGES];

	CHECK(npages <= MAX_PAGES);
	CHECK_EQ(uhmm_snapshot(u, p, npages * PAGE, pfns), 0);
	return pfns;
}

/* Pages with data, on @dev; NULL: in RAM. */
static inline size_t test_count_on(struct uhmm *u, const void *p, size_t npages,
				   struct uhmm_device *dev)
{
	const uhmm_pfn_t *pfns = test_pfns(u, p, npages);
	unsigned id = dev ? test_info(dev).id : 0;
	size_t n = 0;

	for (size_t i = 0; i < npages; i++)
		n += pfns[i] & UHMM_PFN_VALID && uhmm_pfn_device(pfns[i]) == id;
	return n;
}

/* Pages that the kernel has at their addresses, whatever we say of them. */
static inline size_t test_nr_present(void *p, size_t npages)
{
	static unsigned char there[MAX_PAGES];
	size_t n = 0;

	CHECK(npages <= MAX_PAGES);
	CHECK_EQ(mincore(p, npages * PAGE, there), 0);
	for (size_t i = 0; i < npages; i++)
		n += there[i] & 1;
	return n;
}

/* Migrate, and have every page there. */
static inline void test_move(struct uhmm *u, void *p, size_t npages,
			     struct uhmm_device *dev)
{
	static uint8_t why[MAX_PAGES];
	ssize_t n;

	CHECK(npages <= MAX_PAGES);
	n = uhmm_migrate_why(u, p, npages * PAGE, dev, why);
	for (size_t i = 0; n >= 0 && i < npages; i++)
		if (why[i])
			fprintf(stderr, "page %zu: %s\n", i,
				uhmm_why_name(why[i]));
	CHECK_EQ(n, npages);
	CHECK_EQ(test_count_on(u, p, npages, dev), npages);
}

/* ---- What takes a moment, and what must not happen ---- */

/*
 * True at last; at once is not promised, five seconds are too long.  What was
 * true once need not be so again.
 */
#define CHECK_SOON(cond)                                                   \
	do {                                                               \
		struct timespec ms = { 0, 1000 * 1000 };                   \
		bool met = (cond);                                         \
		for (int tries = 5000; !met && tries; tries--) {           \
			nanosleep(&ms, NULL);                              \
			met = (cond);                                      \
		}                                                          \
		if (!met) {                                                \
			fprintf(stderr, "%s:%d: %s: not soon\n", __FILE__, \
				__LINE__, #cond);                          \
			test_fail();                                       \
		}                                                          \
	} while (0)

/* Not the C library's, which the sanitizers make do nothing. */
static inline int test_mlock(const void *p, size_t len)
{
	return (int)syscall(SYS_mlock, p, len);
}

static inline int test_munlock(const void *p, size_t len)
{
	return (int)syscall(SYS_munlock, p, len);
}

static sigjmp_buf test_jump;

static inline void test_on_signal(int sig)
{
	siglongjmp(test_jump, sig);
}

/* Before the context is opened: inline mode passes on what is not its own. */
static inline void test_catch(int sig)
{
	struct sigaction act = { .sa_handler = test_on_signal };

	CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

/* The signal that reading *@p raises, or 0. */
static inline int test_read_raises(const void *p)
{
	int sig = sigsetjmp(test_jump, 1);

	if (!sig)
		(void)*(const volatile char *)p;
	return sig;
}

/* The signal that writing a 1 to *@p raises, or 0. */
static inline int test_write_raises(void *p)
{
	int sig = sigsetjmp(test_jump, 1);

	if (!sig)
		*(volatile char *)p = 1;
	return sig;
}

#endif
