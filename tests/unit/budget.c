// SPDX-License-Identifier: MIT
/*
 * One limit for several processes: what members get is never more than the
 * total, those that end leave their part, whatever way they end, and those that
 * are poor get from those that are rich.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/budget.h>

#include "sys/fail.h"
#include "world.h"

#define MIB    ((uint64_t)1 << 20)
#define TOTAL  (64 * MIB)
#define RACERS 4
#define ROUNDS 300

static char path[64];

static struct uhmm_budget *attach(void)
{
	struct uhmm_budget *b;

	CHECK_EQ(uhmm_budget_attach(path, &b), 0);
	return b;
}

static struct uhmm_budget *create(void)
{
	snprintf(path, sizeof(path), "/tmp/uhmm-test-budget.%d", (int)getpid());
	unlink(path);
	CHECK_EQ(uhmm_budget_create(path, TOTAL), 0);
	return attach();
}

static void destroy(struct uhmm_budget *b)
{
	uhmm_budget_detach(b);
	CHECK_EQ(unlink(path), 0);
}

static uint64_t claim(struct uhmm_budget *b, uint64_t bytes)
{
	uint64_t got;

	CHECK_EQ(uhmm_budget_claim(b, bytes, &got), 0);
	return got;
}

static struct uhmm_budget_info query(struct uhmm_budget *b)
{
	struct uhmm_budget_info i = { .size = sizeof(i) };

	CHECK_EQ(uhmm_budget_query(b, &i), 0);
	return i;
}

static void end_well(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_arguments(void)
{
	struct uhmm_budget_info newer = { .size = sizeof(newer) + 8 };
	struct uhmm_budget *b = create(), *none;
	struct stat st;
	uint64_t got;

	CHECK_EQ(uhmm_budget_create(path, TOTAL), -EEXIST);
	CHECK_EQ(uhmm_budget_create("/tmp/none", 0), -EINVAL);
	CHECK_EQ(uhmm_budget_create("/tmp/none", 4097), -EINVAL);
	CHECK_EQ(uhmm_budget_create(NULL, TOTAL), -EINVAL);
	CHECK_EQ(uhmm_budget_create("/none/there", TOTAL), -ENOENT);
	CHECK_EQ(uhmm_budget_attach("/proc/self/cwd", &none), -ELOOP);
	CHECK_EQ(uhmm_budget_attach("/dev/zero", &none), -EINVAL);
	CHECK_EQ(uhmm_budget_attach("/none/there", &none), -ENOENT);
	CHECK_EQ(uhmm_budget_attach(NULL, &none), -EINVAL);
	CHECK_EQ(uhmm_budget_attach(path, NULL), -EINVAL);
	CHECK_EQ(uhmm_budget_claim(NULL, 1, &got), -EINVAL);
	CHECK_EQ(uhmm_budget_claim(b, UINT64_MAX, &got), -EINVAL);
	CHECK_EQ(uhmm_budget_set(b, 0), -EINVAL);
	CHECK_EQ(uhmm_budget_set(b, 4097), -EINVAL);
	newer.size = 1;
	CHECK_EQ(uhmm_budget_query(b, &newer), -EINVAL);
	CHECK_EQ(query(b).total, TOTAL);
	CHECK_EQ(query(b).members, 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	destroy(b);
	uhmm_budget_detach(NULL);
}

/* A failed creation leaves no file. */
static void test_create_fails(void)
{
	const char *failed = "";
	struct stat st;
	int err;

	for (int nth = 1; failed; nth++) {
		sys_fail_arm(nth);
		err = uhmm_budget_create(path, TOTAL);
		failed = sys_fail_disarm();
		CHECK_EQ(!err, !failed);
		if (failed)
			CHECK_EQ(stat(path, &st), -1);
		else
			CHECK_EQ(unlink(path), 0);
	}
}

/* A part of a page counts as a page. */
static void test_alone(void)
{
	struct uhmm_budget *b = create();

	CHECK_EQ(claim(b, 1), 4096);
	CHECK_EQ(claim(b, TOTAL), TOTAL);
	CHECK_EQ(claim(b, TOTAL + 1), TOTAL);
	CHECK_EQ(claim(b, MIB), MIB);
	CHECK_EQ(query(b).granted, MIB);
	CHECK_EQ(query(b).joined, 1);
	destroy(b);
}

/* The child is a member of its own, and its end frees what it has. */
static void test_ends(int signal)
{
	struct uhmm_budget *b = create();
	int ready[2];
	char byte;
	pid_t pid;

	CHECK_EQ(pipe(ready), 0);
	CHECK_EQ(claim(b, 8 * MIB), 8 * MIB);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(claim(b, 32 * MIB), 32 * MIB);
		CHECK_EQ(query(b).members, 2);
		CHECK_EQ(write(ready[1], "", 1), 1);
		if (signal)
			pause();
		_exit(0);
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	if (signal) {
		CHECK(claim(b, TOTAL) <= TOTAL - 32 * MIB);
		kill(pid, signal);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(claim(b, TOTAL), TOTAL);
	CHECK_EQ(query(b).members, 1);
	CHECK_EQ(query(b).joined, 2);
	destroy(b);
}

/* Rich and poor: the rich one learns that it is asked. */
static void test_fair(void)
{
	struct uhmm_budget *b = create();
	int to[2], from[2];
	char byte;
	pid_t pid;

	CHECK_EQ(pipe(to), 0);
	CHECK_EQ(pipe(from), 0);
	CHECK_EQ(claim(b, TOTAL), TOTAL);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(claim(b, 16 * MIB), 0);
		CHECK_EQ(write(from[1], "", 1), 1);
		CHECK_EQ(read(to[0], &byte, 1), 1);
		CHECK_EQ(claim(b, 16 * MIB), 16 * MIB);
		CHECK_EQ(claim(b, TOTAL), 32 * MIB);
		_exit(0);
	}
	CHECK_EQ(read(from[0], &byte, 1), 1);
	CHECK_EQ(claim(b, TOTAL), TOTAL - 16 * MIB);
	CHECK_EQ(claim(b, TOTAL - 32 * MIB), TOTAL - 32 * MIB);
	CHECK_EQ(write(to[1], "", 1), 1);
	end_well(pid);
	destroy(b);
}

/* Does a claim for @bytes get @granted before long? */
static bool gets(struct uhmm_budget *b, uint64_t bytes, uint64_t granted)
{
	uint64_t end = sys_now_ns() + 10 * UINT64_C(1000000000);

	while (claim(b, bytes) != granted && sys_now_ns() < end)
		sys_yield();
	return claim(b, bytes) == granted;
}

/* A member that was asked gives nothing when the one that asked has ended. */
static void test_asked_in_vain(void)
{
	struct uhmm_budget *b = create();
	int end[2];
	char byte;
	pid_t pid;

	CHECK_EQ(pipe(end), 0);
	CHECK_EQ(claim(b, 48 * MIB), 48 * MIB);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(claim(b, 32 * MIB), 16 * MIB);
		CHECK_EQ(read(end[0], &byte, 1), 1);
		_exit(0);
	}
	CHECK(gets(b, 48 * MIB, 32 * MIB));
	CHECK_EQ(write(end[1], "", 1), 1);
	end_well(pid);
	CHECK(gets(b, 48 * MIB, 48 * MIB));
	destroy(b);
}

struct race {
	pthread_barrier_t barrier;
	_Atomic uint64_t got[RACERS];
};

static void race(struct race *r, struct uhmm_budget *b, unsigned me)
{
	uint64_t seed = me + 1, sum;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t want;

		seed = seed * 6364136223846793005u + 1;
		want = (seed >> 33) % (TOTAL / 4096) * 4096;
		claim(b, 4096);
		pthread_barrier_wait(&r->barrier);
		sum = claim(b, want);
		atomic_store(&r->got[me], sum < want ? sum : want);
		pthread_barrier_wait(&r->barrier);
		sum = 0;
		for (unsigned k = 0; k < RACERS; k++)
			sum += atomic_load(&r->got[k]);
		CHECK(sum <= TOTAL);
		pthread_barrier_wait(&r->barrier);
	}
}

static void test_race(void)
{
	struct race *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;
	struct uhmm_budget *b = create();
	pid_t pids[RACERS];

	CHECK(r != MAP_FAILED);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&r->barrier, &shared, RACERS);
	for (unsigned i = 0; i < RACERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			race(r, b, i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < RACERS; i++)
		end_well(pids[i]);
	CHECK_EQ(claim(b, TOTAL), TOTAL);
	munmap(r, sizeof(*r));
	destroy(b);
}

/* execve(2) does not make two members of one process. */
static void test_exec(void)
{
	struct uhmm_budget *b = create();
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(claim(b, 48 * MIB), 48 * MIB);
		execl("/proc/self/exe", "budget", path, NULL);
		_exit(1);
	}
	end_well(pid);
	destroy(b);
}

static int after_exec(const char *name)
{
	struct uhmm_budget *b;

	snprintf(path, sizeof(path), "%s", name);
	b = attach();
	CHECK_EQ(query(b).granted, 0); /* what the former one had is free */
	CHECK_EQ(claim(b, TOTAL), TOTAL);
	CHECK_EQ(query(b).members, 1);
	return 0;
}

/* ---- With a context ---- */

#define N 4096 /* pages */

static struct store s;

static bool holds(struct uhmm_budget *b, uint64_t most)
{
	uint64_t end = sys_now_ns() + 10 * UINT64_C(1000000000);

	while (query(b).granted > most && sys_now_ns() < end)
		sys_yield();
	return query(b).granted <= most;
}

static void test_context(void)
{
	struct uhmm_budget *b = create();
	struct uhmm_params params = { .size = sizeof(params), .budget = b };
	struct uhmm_group_info info = { .size = sizeof(info) };
	struct world w;
	uint64_t got;

	CHECK_EQ(uhmm_budget_set(b, N / 2 * 4096), 0);
	w = world_open(&params);
	store_add(w.u, &s, STORE_PLAIN, 2 * N);
	CHECK_EQ(uhmm_budget_claim(b, MIB, &got), -EBUSY);
	world_map(&w, 0, N);
	CHECK_EQ(uhmm_register(w.u, world_at(0), N * PAGE), 0);
	world_fill(&w, 0, N, 1);
	CHECK_EQ(uhmm_group_query(uhmm_group_root(w.u), NULL, &info), 0);
	CHECK_EQ(info.limit, N / 2 * 4096);
	CHECK(query(b).granted <= N / 2 * 4096);
	CHECK_EQ(uhmm_set_ram_limit(w.u, N / 4 * 4096), 0);
	CHECK(holds(b, N / 4 * 4096));
	world_verify(&w, 0, N, 1);
	CHECK(query(b).granted <= N / 4 * 4096);
	policy_stop(w.u);
	world_close(&w);
	CHECK_EQ(query(b).members, 0);
	destroy(b);
}

/* Field 22 of /proc/PID/stat: when the process began. */
static unsigned long long start_of(pid_t pid)
{
	unsigned long long start = 0;
	char name[32], text[1024];
	char *p = NULL;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	f = fopen(name, "r");
	CHECK(f);
	if (fgets(text, sizeof(text), f))
		p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	CHECK(p && sscanf(p, "%llu", &start) == 1);
	fclose(f);
	return start;
}

/* qemu-user tells a process another start than others see. */
static bool is_emulated(void)
{
	unsigned long long start = start_of(getpid());
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(start_of(getppid()) == start ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return after_exec(argv[1]);
	if (is_emulated()) {
		printf("an emulator, which tells two starts of a process\n");
		return TEST_SKIPPED;
	}
	test_arguments();
	test_create_fails();
	test_alone();
	test_ends(0);
	test_ends(SIGKILL);
	test_fair();
	test_asked_in_vain();
	test_race();
	test_exec();
	test_context();
	return 0;
}
