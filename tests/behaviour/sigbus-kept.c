// SPDX-License-Identifier: MIT
/*
 * The program's disposition of SIGBUS stays in force.  The program gets each
 * SIGBUS of its own, once, as the kernel would deliver it, and finds its
 * disposition unchanged when the context is closed.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../context.h"

static char *own; /* of a file that ends before its mapping */
static volatile sig_atomic_t calls, code;
static sigset_t in_handler;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	calls++;
	code = info->si_code;
	pthread_sigmask(SIG_BLOCK, NULL, &in_handler);
	if (info->si_code > 0)
		siglongjmp(test_jump, 1);
}

static void plain(int sig)
{
	(void)sig;
	calls++;
	siglongjmp(test_jump, 1);
}

/* Is it called for a touch of @own? */
static bool is_caught(void)
{
	int before = calls;

	if (!sigsetjmp(test_jump, 1))
		(void)*(volatile char *)own;
	return calls == before + 1;
}

static struct sigaction with_note(int flags)
{
	struct sigaction act = { .sa_sigaction = note,
				 .sa_flags = flags | SA_SIGINFO };

	sigaddset(&act.sa_mask, SIGUSR1);
	return act;
}

static struct sigaction with(void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	sigaddset(&act.sa_mask, SIGUSR1);
	return act;
}

/* A context that has served faults. */
static struct uhmm *use(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1M");
	char *p = test_map(16);

	test_fill(p, 16, 1);
	test_move(u, p, 16, dev);
	test_verify(p, 16, 1);
	return u;
}

static void check_is(const struct sigaction *want)
{
	struct sigaction now;

	CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
	CHECK(now.sa_handler == want->sa_handler);
	CHECK_EQ(now.sa_flags & ~0x04000000, want->sa_flags);
	CHECK_EQ(sigismember(&now.sa_mask, SIGUSR1),
		 sigismember(&want->sa_mask, SIGUSR1));
}

static void keeps(struct sigaction act)
{
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	for (int i = 0; i < 2; i++) {
		test_close(use());
		check_is(&act);
	}
}

static void gets_its_own(void)
{
	struct sigaction act = with(plain, 0);
	sigset_t none, all;
	struct uhmm *u;

	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	u = use();
	for (int i = 0; i < 20; i++)
		CHECK(is_caught());
	test_close(u);
	check_is(&act);

	act = with_note(0);
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	u = use();
	CHECK(is_caught());
	CHECK_EQ(code, BUS_ADRERR);
	CHECK_EQ(sigismember(&in_handler, SIGUSR1), 1);
	CHECK_EQ(sigismember(&in_handler, SIGUSR2), 0);
	sigemptyset(&none);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &all), 0);
	CHECK_EQ(memcmp(&none, &all, sizeof(long)), 0);
	calls = 0;
	CHECK_EQ(raise(SIGBUS), 0);
	CHECK_EQ(calls, 1);
	CHECK_EQ(code, SI_TKILL);
	test_close(u);
}

/* The handler is left by a jump that restores no mask. */
static void leaves_no_mask(void)
{
	struct sigaction act = with(plain, SA_NODEFER);
	struct uhmm *u;
	sigset_t now;

	sigemptyset(&act.sa_mask);
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	u = use();
	if (!sigsetjmp(test_jump, 0))
		(void)*(volatile char *)own;
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	CHECK_EQ(sigismember(&now, SIGUSR1), 0);
	CHECK_EQ(sigismember(&now, SIGALRM), 0);
	test_close(u);
}

/* Good for one, and then the default: still so when the context is closed. */
static void is_used_up(void)
{
	struct sigaction act = with(plain, SA_RESETHAND), now;
	struct uhmm *u;

	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	u = use();
	CHECK(is_caught());
	test_close(u);
	CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
	CHECK(now.sa_handler == SIG_DFL);
}

static void is_ignored(void)
{
	struct sigaction act = with(SIG_IGN, 0);
	struct uhmm *u;

	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	u = use();
	CHECK_EQ(raise(SIGBUS), 0);
	test_close(u);
	check_is(&act);
}

/* ---- What ends the process ---------------------------------------------- */

static void touch_own(void)
{
	struct uhmm *u = use();

	(void)*(volatile char *)own;
	test_close(u);
}

static void raise_it(void)
{
	use();
	raise(SIGBUS);
}

static void touch_twice(void)
{
	use();
	CHECK(is_caught());
	(void)*(volatile char *)own;
}

static void ends(void (*fn)(void), void (*handler)(int), int flags)
{
	struct sigaction act = with(handler, flags);
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		sigaction(SIGBUS, &act, NULL);
		fn();
		_exit(3);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGBUS);
}

int main(void)
{
	int fd = memfd_create("short", MFD_CLOEXEC);

	own = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(own != MAP_FAILED);
	keeps(with(SIG_DFL, 0));
	keeps(with(SIG_IGN, 0));
	keeps(with(plain, 0));
	keeps(with(plain, SA_RESETHAND | SA_NODEFER));
	keeps(with_note(SA_ONSTACK));
	gets_its_own();
	leaves_no_mask();
	is_used_up();
	is_ignored();
	ends(touch_own, SIG_DFL, 0);
	ends(touch_own, SIG_IGN, 0);
	ends(raise_it, SIG_DFL, 0);
	ends(touch_twice, plain, SA_RESETHAND);
	return 0;
}
