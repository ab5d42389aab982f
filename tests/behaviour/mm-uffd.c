/* SPDX-License-Identifier: MIT */
/*
 * mm-uffd - each op of the userfaultfd backend, without the core above it, in
 * both fault modes and with features turned off.
 */
#include <signal.h>

#include "mm-uffd.h"
#include "sys/fail.h"

/* ---- The n-th call fails ---- */

static void go_away_and_back(void)
{
	static struct mm_freeze f;
	int ret;

	set_clear(&f.want);
	set_add_run(&f.want, 0, 20);
	f.va = (uintptr_t)t.area;
	f.slot = t.mm->ops->slots(t.mm, 1);
	for (int i = 0; i < 100; i++) {
		sys_mutex_lock(&t.lock);
		ret = t.mm->ops->freeze(t.mm, &f);
		sys_mutex_unlock(&t.lock);
		if (ret != -EAGAIN)
			break;
	}
	if (!ret)
		send_away(&f);
	CHECK(area_is(0, 12, 27));
	t.mm->ops->unprotect(t.mm, f.va, 512);
	fill_area(0, 14, 28);
	CHECK(area_is(0, 14, 28));
}

/* Return: 2 when no call failed. */
static int run_failing(const struct mm_params *params, int n)
{
	const char *what;

	alarm(20);
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 12, 27);
	sys_fail_arm(n);
	if (!mm_uffd_open(params, &t.mm)) {
		uintptr_t p = (uintptr_t)t.area;
		int ret = t.mm->ops->track(t.mm, p, p + AREA);

		if (!ret) {
			go_away_and_back();
			t.mm->ops->untrack(t.mm, p, p + AREA, NULL, NULL);
		}
		t.mm->ops->close(t.mm);
	}
	what = sys_fail_disarm();
	if (!what)
		return 2;
	if (failures)
		printf("call %d failed: %s\n", n, what);
	return !!failures;
}

static int inject(unsigned mode, const char *off)
{
	struct mm_params params = {
		.fault_mode = mode,
		.nr_slots = SLOTS,
		.features_off = off,
		.client = &client,
	};
	int ret = 0, status = 0;

	config = mode == UHMM_FAULTS_INLINE ? "inject-inline" : "inject";
	for (int n = 1; n < 10000 && status != 2 << 8; n++) {
		pid_t pid = fork();

		if (pid == 0)
			exit(run_failing(&params, n));
		waitpid(pid, &status, 0);
		if (status && status != 2 << 8) {
			printf("%s: call %d: status %#x\n", config, n, status);
			ret = 1;
		}
	}
	return ret;
}

/* ---- Configurations ---- */

static void run_tests(test_fn *const *tests)
{
	while (*tests)
		(*tests++)();
}

static int run(const char *name, unsigned mode, const char *off)
{
	struct mm_params params = {
		.fault_mode = mode,
		.nr_slots = SLOTS,
		.features_off = off,
		.client = &client,
	};
	char buf[256];
	int ret;

	config = name;
	ret = mm_uffd_open(&params, &t.mm);
	if (ret == -ENOSYS || ret == -EPERM)
		return 77;
	CHECK(!ret);
	if (ret) {
		printf("%s: open: %s\n", name, strerror(-ret));
		return 1;
	}
	t.mm->ops->features(t.mm, buf, sizeof(buf));
	printf("%s: %s\n", name, buf);
	run_tests(freeze_tests);
	run_tests(event_tests);
	t.mm->ops->close(t.mm);
	return failures ? 1 : 0;
}

static const struct config {
	const char *name;
	unsigned mode;
	const char *off;
} configs[] = {
	{ "threads", UHMM_FAULTS_THREADS, NULL },
	{ "threads-no-move", UHMM_FAULTS_THREADS, "move" },
	{ "threads-no-scan", UHMM_FAULTS_THREADS, "scan" },
	{ "threads-6.1", UHMM_FAULTS_THREADS, "move,poison,scan,procmap" },
	{ "threads-user", UHMM_FAULTS_THREADS, "kernel-faults" },
	{ "inline", UHMM_FAULTS_INLINE, NULL },
	{ "inline-no-move", UHMM_FAULTS_INLINE, "move" },
	{ "inline-6.1", UHMM_FAULTS_INLINE, "move,poison,scan,procmap" },
};

static void test_open(void)
{
	struct mm_params params = {
		.client = &client,
		.nr_slots = 1,
		.features_off = "move,nonsense",
	};

	config = "open";
	CHECK(mm_uffd_open(&params, &t.mm) == -EINVAL);
	params.features_off = "";
	params.fault_mode = 9;
	CHECK(mm_uffd_open(&params, &t.mm) == -EINVAL);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_sigaction = bus_handler,
				 .sa_flags = SA_SIGINFO };
	int ret = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(120);
	sigaction(SIGBUS, &act, NULL);
	t.device = sys_alloc(AREA);
	test_open();
	/* Each in a process of its own, for its SIGBUS handler and slots. */
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		const struct config *c = &configs[i];
		int status;
		pid_t pid;

		if (argc > 1 && strcmp(argv[1], c->name))
			continue;
		pid = fork();
		if (pid == 0) {
			alarm(120);
			exit(run(c->name, c->mode, c->off));
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
			printf("%s: died: %d\n", c->name, status);
			return 1;
		}
		if (WEXITSTATUS(status) == 77)
			return 77;
		ret |= WEXITSTATUS(status);
	}
	for (unsigned mode = UHMM_FAULTS_THREADS; mode <= UHMM_FAULTS_INLINE;
	     mode++) {
		if (argc > 1 && strcmp(argv[1], "inject"))
			continue;
		ret |= inject(mode, "");
		ret |= inject(mode, "move,scan,procmap");
	}
	return ret || failures;
}
