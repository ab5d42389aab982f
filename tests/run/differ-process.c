// SPDX-License-Identifier: MIT
/* differ-process.c - what differ.c does with signals, children and threads */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "differ.h"

/* ---- Signals ----------------------------------------------------------- */

static volatile sig_atomic_t nr_caught, last_code;
static volatile uintptr_t last_addr;
static sigjmp_buf out;

static void on_signal(int sig)
{
	(void)sig;
	nr_caught = nr_caught + 1;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	last_code = info->si_code;
	last_addr = (uintptr_t)info->si_addr;
	siglongjmp(out, 1);
}

static void step_raise(void)
{
	static const int sigs[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD };
	int sig = sigs[below(4)];
	struct sigaction act = { .sa_handler = on_signal }, old;
	sigset_t set, is;

	CHECK_EQ(sigaction(sig, &act, &old), 0);
	sigemptyset(&set);
	sigaddset(&set, sig);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	raise(sig);
	raise(sig);
	CHECK_EQ(sigpending(&is), 0);
	say("%d caught, pending %d", (int)nr_caught, sigismember(&is, sig));
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, &is), 0);
	kill(getpid(), sig);
	say("%d caught, blocked %d, default %d", (int)nr_caught,
	    sigismember(&is, sig), old.sa_handler == SIG_DFL);
	CHECK_EQ(sigaction(sig, &old, &act), 0);
	say("ours %d", act.sa_handler == on_signal);
}

static void fault(int sig, volatile unsigned char *p)
{
	struct sigaction act = { .sa_sigaction = on_fault,
				 .sa_flags = SA_SIGINFO },
			 was;

	CHECK_EQ(sigaction(sig, &act, &was), 0);
	last_code = 0;
	if (!sigsetjmp(out, 1))
		*p = 1;
	say("code %d at %zd", (int)last_code,
	    last_code ? (ssize_t)(last_addr - (uintptr_t)p) : 0);
	CHECK_EQ(sigaction(sig, &was, &act), 0);
	say("ours %d, was default %d", act.sa_sigaction == on_fault,
	    was.sa_handler == SIG_DFL);
}

static void step_segv(void)
{
	struct area *a = any_area(true);
	unsigned char *p;

	if (!a)
		return;
	p = a->p + below(a->n) * PAGE;
	CHECK_EQ(mprotect(p, PAGE, below(2) ? PROT_READ : PROT_NONE), 0);
	fault(SIGSEGV, p);
	CHECK_EQ(mprotect(p, PAGE, PROT_READ | PROT_WRITE), 0);
	say("%#jx", (uintmax_t)hash(p, PAGE));
}

/* Behind the end of a file. */
static void step_bus(void)
{
	int fd = memfd_create("differ", 0);
	unsigned char *p;

	CHECK(fd >= 0);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	fault(SIGBUS, p);
	CHECK_EQ(munmap(p, PAGE), 0);
	close(fd);
}

/* ---- Children ---------------------------------------------------------- */

static void say_status(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	say("exit %d, signal %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* A child has its parent's memory, and keeps its changes in private memory. */
static void step_fork(void)
{
	pid_t pid = fork();

	if (pid) {
		say_status(pid);
		return;
	}
	alarm(60);
	run_steps(below(6));
	if (!below(4))
		raise(SIGKILL);
	_exit((int)below(100));
}

static void step_vfork(void)
{
	int code = (int)below(100);
	pid_t pid = vfork();

	if (!pid)
		_exit(code);
	say_status(pid);
}

static void step_spawn(void)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 7", NULL };
	char *env[] = { NULL };
	pid_t pid;

	CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, env), 0);
	say_status(pid);
}

/*
 * A child has no mapping that is MADV_DONTFORK.  Something else may be mapped
 * there in the child, as the kernel likes it.
 */
static void keep_from_child(struct area *a)
{
	struct sigaction act = { .sa_sigaction = on_fault,
				 .sa_flags = SA_SIGINFO };
	uint64_t is;
	pid_t pid;

	stamp(a->p, PAGE, seed);
	is = hash(a->p, PAGE);
	CHECK_EQ(madvise(a->p, a->n * PAGE, MADV_DONTFORK), 0);
	pid = fork();
	if (!pid) {
		CHECK_EQ(sigaction(SIGSEGV, &act, NULL), 0);
		if (!sigsetjmp(out, 1) && hash(a->p, PAGE) == is)
			_exit(1);
		_exit(0);
	}
	say_status(pid);
	CHECK_EQ(madvise(a->p, a->n * PAGE, MADV_DOFORK), 0);
}

static void wipe_in_child(struct area *a)
{
	pid_t pid;

	if (a->is_shared)
		return;
	CHECK_EQ(madvise(a->p, a->n * PAGE, MADV_WIPEONFORK), 0);
	pid = fork();
	if (!pid)
		_exit((int)(hash(a->p, a->n * PAGE) % 100));
	say_status(pid);
	CHECK_EQ(madvise(a->p, a->n * PAGE, MADV_KEEPONFORK), 0);
}

static void step_advise_child(void)
{
	struct area *a = any_area(true);

	if (!a)
		return;
	if (below(2))
		keep_from_child(a);
	else
		wipe_in_child(a);
	say("%zu pages: %#jx", a->n, (uintmax_t)hash(a->p, a->n * PAGE));
}

/* ---- Threads ----------------------------------------------------------- */

struct job {
	pthread_t thread;
	unsigned char *p;
	size_t len;
	uint64_t tag, hash;
};

static void *work(void *arg)
{
	struct job *j = arg;

	j->hash = hash(j->p, j->len);
	stamp(j->p, j->len, j->tag);
	j->hash += hash(j->p, j->len);
	return NULL;
}

/* Each has a part of one area. */
static void step_threads(void)
{
	struct area *a = any_area(false);
	struct job j[4];

	if (!a || a->n < 4)
		return;
	for (size_t k = 0; k < 4; k++) {
		j[k] = (struct job){ .p = a->p + a->n / 4 * k * PAGE,
				     .len = a->n / 4 * PAGE,
				     .tag = test_random(&seed) };
		CHECK_EQ(pthread_create(&j[k].thread, NULL, work, &j[k]), 0);
	}
	for (size_t k = 0; k < 4; k++)
		CHECK_EQ(pthread_join(j[k].thread, NULL), 0);
	for (size_t k = 0; k < 4; k++)
		say("%#jx", (uintmax_t)j[k].hash);
}

const struct step process_steps[] = {
	{ "raise", step_raise },
	{ "segv", step_segv },
	{ "bus", step_bus },
	{ "fork", step_fork },
	{ "vfork", step_vfork },
	{ "spawn", step_spawn },
	{ "advise-child", step_advise_child },
	{ "threads", step_threads },
	{ NULL, NULL },
};
