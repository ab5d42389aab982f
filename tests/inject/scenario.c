// SPDX-License-Identifier: MIT
/* scenario.c - see scenario.h */
#include "scenario.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "holdings.h"
#include "sys/fail.h"
#include "test.h"

#define PAGE	    ((size_t)4096)
#define BLOCK_PAGES ((size_t)512)
#define WORDS	    (PAGE / sizeof(uint64_t))
#define ALL	    INT64_MAX
#define OPENING	    60 /* about as many calls open a context */

/* ---- The current step, for reports of failures ---- */

static struct {
	_Atomic int64_t nth;
	_Atomic(const char *) step;
	_Atomic bool is_lost;
} now;

static void say(const char *what)
{
	const char *failed = sys_fail_disarm();
	char line[256];
	int len;

	len = snprintf(line, sizeof(line),
		       "%s, in step \"%s\", with n = %jd: %s failed\n", what,
		       atomic_load(&now.step), (intmax_t)atomic_load(&now.nth),
		       failed ? failed : "nothing");
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		_exit(2);
}

static void at_exit(void)
{
	if (atomic_load(&now.nth))
		say("stopped");
}

static void on_signal(int sig)
{
	say(sig == SIGALRM ? "it hangs" :
	    sig == SIGBUS  ? "a page was lost (SIGBUS)" :
			     "SIGSEGV");
	_exit(1);
}

/* Public calls block SIGALRM: this thread does not. */
static void *watch(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void start_watch(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	pthread_t thread;
	sigset_t set;

	CHECK_EQ(sigaction(SIGALRM, &act, NULL), 0);
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	CHECK_EQ(sigaction(SIGSEGV, &act, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, watch, NULL), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	atexit(at_exit);
}

/* A page lost is a data loss, and a page in a wrong state is a bug. */
static void on_log(void *arg, int level, const char *msg)
{
	(void)arg;
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%d: %s\n", level, msg);
	if (!strstr(msg, "is lost") && !strstr(msg, "in state") &&
	    !strstr(msg, "already"))
		return;
	fprintf(stderr, "the core says: %s\n", msg);
	atomic_store(&now.is_lost, true);
}

/* ---- The memory, and what must be in it ---- */

/* @seed: of the pattern in a page; 0: zeroes; @is_mapped */
struct page {
	uint64_t seed;
	bool is_mapped;
};

struct run {
	struct place *p;
	struct uhmm *u;
	struct uhmm_device *ram, *zram;
	struct page page[NR_PAGES];
	uint64_t seed; /* of the next pattern */
};

/* Half of a page is one word over and over: zram likes that. */
static uint64_t word_of(uint64_t seed, size_t word)
{
	if (!seed)
		return 0;
	return seed * UINT64_C(0x9e3779b97f4a7c15) +
	       (word < WORDS / 2 ? word : 0);
}

static void fill_page(struct run *r, size_t i)
{
	uint64_t words[WORDS];

	r->page[i].seed = ++r->seed;
	for (size_t w = 0; w < WORDS; w++)
		words[w] = word_of(r->seed, w);
	CHECK_EQ(r->p->write(r->p, i, words, WORDS), 0);
}

static void fill(struct run *r, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		fill_page(r, i);
}

static void verify_page(struct run *r, size_t i, size_t nwords)
{
	uint64_t words[WORDS];

	CHECK_EQ(r->p->read(r->p, i, words, nwords), 0);
	for (size_t w = 0; w < nwords; w++) {
		uint64_t want = word_of(r->page[i].seed, w);

		if (words[w] != want)
			fprintf(stderr, "page %zu, word %zu\n", i, w);
		CHECK_EQ(words[w], want);
	}
}

/* The first @nwords of each mapped page. */
static void verify(struct run *r, size_t first, size_t n, size_t nwords)
{
	for (size_t i = first; i < first + n; i++)
		if (r->page[i].is_mapped)
			verify_page(r, i, nwords);
}

static void forget(struct run *r, size_t first, size_t n, bool is_mapped)
{
	for (size_t i = first; i < first + n; i++)
		r->page[i] = (struct page){ 0, is_mapped };
}

static void *at(struct run *r, size_t page)
{
	return r->p->base + page * PAGE;
}

/* ---- What a call may answer ---- */

/* @err is not an error, or one of those that follow, which ends with 0. */
static bool check_answer(const char *what, int64_t err, ...)
{
	bool found = err >= 0;
	va_list list;
	int e;

	atomic_store(&now.step, what);
	va_start(list, err);
	while (!found && (e = va_arg(list, int)))
		found = e == err;
	va_end(list);
	if (!found)
		fprintf(stderr, "%s answers %jd\n", what, (intmax_t)err);
	CHECK(found);
	CHECK(!atomic_load(&now.is_lost));
	return err >= 0;
}

static void step(const char *what)
{
	CHECK(!atomic_load(&now.is_lost));
	atomic_store(&now.step, what);
}

/* ---- The parts ---- */

static bool migrate(struct run *r, size_t first, size_t n,
		    struct uhmm_device *dev)
{
	ssize_t done;

	step("migrate");
	done = uhmm_migrate(r->u, at(r, first), n * PAGE, dev);
	CHECK(done <= (ssize_t)n);
	check_answer("migrate", done, -ENOMEM, -EOPNOTSUPP, -EBUSY, 0);
	return done == (ssize_t)n;
}

static struct uhmm_device *open_device(struct run *r, const char *spec)
{
	struct uhmm_device *dev = NULL;

	step("device");
	check_answer("device", uhmm_device_open(r->u, spec, &dev), -ENOMEM, 0);
	return dev;
}

static void start_up(struct run *r)
{
	step("fill");
	fill(r, 0, 600); /* the rest is never touched before it migrates */
	r->ram = open_device(r, "ram:8M");
	r->zram = open_device(r, "zram:8M,level=1");
	step("register");
	check_answer("register", uhmm_register(r->u, at(r, 0), NR_PAGES * PAGE),
		     -ENOMEM, -EBUSY, 0);
}

static void out_and_touch(struct run *r)
{
	if (r->ram)
		migrate(r, 0, BLOCK_PAGES, r->ram);
	if (r->zram)
		migrate(r, BLOCK_PAGES, NR_PAGES - BLOCK_PAGES, r->zram);
	step("touch");
	verify(r, 40, 1, 1);
	verify(r, 100, 70, 1); /* a stream */
	verify(r, 530, 2, WORDS);
	fill_page(r, 41);
	fill_page(r, 102); /* read before */
	fill(r, 170, 40);
	fill(r, 620, 3);
	if (r->zram)
		for (size_t i = 0; i < 12; i += 3)
			migrate(r, i, 1, r->zram);
	if (r->ram)
		migrate(r, 100, 60, r->ram);
	step("touch again");
	verify(r, 0, 220, 1);
	migrate(r, 256, 128, NULL);
	step("after home");
	verify(r, 256, 128, 1);
}

/* Started, and done, one way or the other. */
static void background(struct run *r, struct uhmm_device *dev)
{
	struct uhmm_completion done = { .size = sizeof(done) };
	int err;

	step("start");
	err = uhmm_migrate_start(r->u, at(r, 0), BLOCK_PAGES * PAGE, dev, 42);
	if (!check_answer("start", err, -EAGAIN, -ENOMEM, 0))
		return;
	step("complete");
	verify(r, 60, 30, 1); /* meanwhile */
	while (!uhmm_complete(r->u, &done, 1)) {
		struct pollfd fd = { .fd = uhmm_fd(r->u), .events = POLLIN };

		CHECK(poll(&fd, 1, -1) >= 0 || errno == EINTR);
	}
	CHECK_EQ(done.cookie, 42);
	check_answer("completion", done.result, -ENOMEM, -EOPNOTSUPP, -EBUSY,
		     0);
}

static void pin_some(struct run *r)
{
	int err;

	step("pin");
	err = uhmm_pin(r->u, at(r, 480), 64 * PAGE);
	if (!check_answer("pin", err, -ENOMEM, -EOPNOTSUPP, -EBUSY, 0))
		return;
	if (r->ram)
		migrate(r, 470, 100, r->ram);
	step("use pinned");
	fill(r, 480, 64);
	step("unpin");
	CHECK_EQ(uhmm_unpin(r->u, at(r, 480), 64 * PAGE), 0);
}

static void look(struct run *r)
{
	static uhmm_pfn_t pfns[NR_PAGES];
	struct uhmm_stats stats = { .size = sizeof(stats) };

	step("snapshot");
	check_answer("snapshot",
		     uhmm_snapshot(r->u, at(r, 0), NR_PAGES * PAGE, pfns),
		     -ENOMEM, 0);
	CHECK_EQ(uhmm_stats(r->u, &stats), 0);
	CHECK_EQ(stats.poisoned, 0);
}

static void drop_some(struct run *r)
{
	struct uhmm_device *dev = r->zram ? r->zram : r->ram;

	if (dev)
		migrate(r, 200, 120, dev);
	step("discard");
	r->p->discard(r->p, 210, 20);
	forget(r, 210, 20, true);
	verify(r, 205, 15, 1);
	step("unmap");
	r->p->unmap(r->p, 300, 40);
	forget(r, 300, 40, false);
	r->p->map(r->p, 320, 20);
	forget(r, 320, 20, true);
	verify(r, 290, 60, 1);
	fill(r, 325, 5);
}

static void live_on_little(struct run *r)
{
	step("limit");
	check_answer("limit", uhmm_set_ram_limit(r->u, 300 * PAGE), -ENOMEM, 0);
	step("touch under a limit");
	verify(r, 0, NR_PAGES, 1);
	fill(r, 0, 60);
	verify(r, 100, 300, 1);
	step("no limit");
	check_answer("no limit", uhmm_set_ram_limit(r->u, 0), -ENOMEM, 0);
}

static uint64_t used(struct uhmm_device *dev)
{
	struct uhmm_device_info info = { .size = sizeof(info) };

	if (!dev)
		return 0;
	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	return info.used;
}

/* The fault handler wakes the waiters before it frees the device page. */
static void check_unused(struct uhmm_device *dev)
{
	struct timespec ms = { 0, 1000 * 1000 };

	for (int i = 0; i < 1000 && used(dev); i++)
		nanosleep(&ms, NULL);
	CHECK_EQ(used(dev), 0);
}

/* Of two tries in a row one failure spoils one. */
static void come_home(struct run *r)
{
	bool all = false;

	step("unregister");
	check_answer("unregister",
		     uhmm_unregister(r->u, at(r, 512), 128 * PAGE), -ENOMEM,
		     -EBUSY, -EIO, 0);
	verify(r, 512, 128, 1);
	if (r->ram)
		migrate(r, 60, 200, r->ram);
	for (int i = 0; i < 2 && !all; i++) {
		all = migrate(r, 0, 300, NULL);
		all = migrate(r, 320, NR_PAGES - 320, NULL) && all;
	}
	CHECK(all);
	check_unused(r->ram);
	check_unused(r->zram);
}

static void remove_device(struct run *r, struct uhmm_device *dev)
{
	int err = -EBUSY;

	step("remove");
	for (int i = 0; i < 2 && err; i++) {
		err = uhmm_device_remove(dev);
		check_answer("remove", err, -EBUSY, -ENOMEM, 0);
	}
	CHECK_EQ(err, 0);
}

/* Pages come home when their device is removed, or the context is closed. */
static void end(struct run *r)
{
	if (r->zram)
		migrate(r, 0, 100, r->zram);
	if (r->ram) {
		migrate(r, 100, 100, r->ram);
		remove_device(r, r->ram);
		step("after remove");
		verify(r, 100, 100, 1);
	}
	if (r->zram)
		migrate(r, 340, 250, r->zram);
	step("close");
	CHECK_EQ(uhmm_close(r->u), 0);
	CHECK(!atomic_load(&now.is_lost));
}

static void live(struct run *r)
{
	int err;

	step("open");
	err = r->p->open(r->p, &r->u);
	if (!check_answer("open", err, -ENOMEM, -EMFILE, -EAGAIN, -EINVAL,
			  -ENOSYS, -EPERM, -EOPNOTSUPP, 0))
		return;
	uhmm_set_log(r->u, on_log, NULL);
	start_up(r);
	out_and_touch(r);
	background(r, r->zram);
	look(r);
	background(r, NULL);
	pin_some(r);
	drop_some(r);
	live_on_little(r);
	come_home(r);
	end(r);
}

/* Return: calls that were made, 0 if one failed. */
static int64_t run_once(struct place *p, int64_t nth)
{
	int64_t left;
	struct run r = { .p = p };
	const char *failed;

	atomic_store(&now.nth, nth);
	p->map(p, 0, NR_PAGES);
	forget(&r, 0, NR_PAGES, true);
	alarm((unsigned)p->patience);
	sys_fail_arm(nth);
	live(&r);
	left = atomic_load(&sys_fail_countdown);
	failed = sys_fail_disarm();
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%jd: %s\n", (intmax_t)nth,
			failed ? failed : "-");
	step("verify");
	if (r.u)
		verify(&r, 0, NR_PAGES, WORDS);
	p->unmap(p, 0, NR_PAGES);
	p->let_go(p);
	alarm(0);
	return failed ? 0 : nth - left;
}

static int64_t step_from(int64_t n, uint64_t *seed)
{
	return 1 + (int64_t)test_below(seed, n < OPENING ? 3 : 19);
}

int sweep_main(int argc, char **argv, struct place *p)
{
	int64_t only = argc > 1 ? strtoll(argv[1], NULL, 0) : 0, calls = 0;
	bool all = test_is_soak();
	struct holdings was;
	uint64_t seed = test_seed();

	start_watch();
	for (int i = only ? 1 : 0; i < 2; i++) {
		CHECK(run_once(p, ALL));
		was = count_holdings();
	}
	for (int64_t n = only ? only : 1; !calls;
	     n += all ? 1 : step_from(n, &seed)) {
		calls = run_once(p, n);
		step("leaks");
		check_holdings(&was);
		if (only)
			break;
	}
	printf("%jd calls\n", (intmax_t)calls);
	atomic_store(&now.nth, 0);
	return 0;
}
