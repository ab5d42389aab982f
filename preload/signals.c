// SPDX-License-Identifier: MIT
/*
 * The program's dispositions of signals that dump core by default.
 *
 * Once memory is managed a handler of ours stands for the default of these
 * signals: it brings pages home before the kernel writes a core, see dump.c.
 * The program never sees that handler.  @shadow holds the program's own
 * dispositions.  The kernel has them as well, except for two kinds of handlers,
 * where ours is installed in front.  After a handler with SA_RESETHAND the
 * default comes, so ours calls the program's and installs itself as the
 * default.  In inline mode libuhmm's handler of SIGBUS stands before all
 * others, and passes on to us each signal that it did not cause.
 *
 * No handler blocks signals that instructions raise, see masks.c.
 *
 * The lock is held for a few instructions with all signals blocked.  A
 * disposition that is set past our wrappers, by glibc itself say, takes effect:
 * the kernel's table decides.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "preload.h"
#include "real.h"
#include "signals.h"

static const int watched[] = {
	SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
	SIGFPE,	 SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS,
};

#define NR_WATCHED (sizeof(watched) / sizeof(*watched))

FIND(sigaction);
static _Atomic bool armed;
static atomic_flag lock = ATOMIC_FLAG_INIT;

/* Under the lock: */
static struct sigaction shadow[_NSIG];
static uint64_t hidden[_NSIG]; /* bits that the kernel's masks lack */

static void acquire_signals(sigset_t *old)
{
	masks_block_all(old);
	while (atomic_flag_test_and_set(&lock))
		sched_yield();
}

static void release_signals(const sigset_t *old)
{
	atomic_flag_clear(&lock);
	masks_restore(old);
}

static bool is_watched(int sig)
{
	for (size_t i = 0; i < NR_WATCHED; i++)
		if (watched[i] == sig)
			return true;
	return false;
}

/* Does libuhmm's handler stand before all others for @sig? */
static bool is_shielded(int sig)
{
	return sig == SIGBUS && settings.mode == UHMM_FAULTS_INLINE;
}

/* ---- Our handlers ------------------------------------------------------- */

static void call(const struct sigaction *act, int sig, siginfo_t *info,
		 void *context)
{
	if (act->sa_flags & SA_SIGINFO)
		act->sa_sigaction(sig, info, context);
	else
		act->sa_handler(sig);
}

static void install(int sig);

/* The program's disposition.  SA_RESETHAND resets it, as the kernel would. */
static struct sigaction take_action(int sig)
{
	struct sigaction act;
	sigset_t old;

	acquire_signals(&old);
	act = shadow[sig];
	if (act.sa_flags & SA_RESETHAND) {
		shadow[sig].sa_handler = SIG_DFL;
		shadow[sig].sa_flags &= ~SA_SIGINFO;
		install(sig);
	}
	release_signals(&old);
	return act;
}

static void on_once(int sig, siginfo_t *info, void *context)
{
	struct sigaction act = take_action(sig);

	if (act.sa_handler == SIG_DFL) /* another thread took the handler */
		on_fatal(sig, info, context);
	else
		call(&act, sig, info, context);
}

/* Called by libuhmm's handler, with asynchronous signals blocked. */
static void on_shielded(int sig, siginfo_t *info, void *context)
{
	struct sigaction act = take_action(sig);

	if (act.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (act.sa_handler == SIG_DFL || act.sa_handler == SIG_IGN) {
		on_fatal(sig, info, context);
		return;
	}
	masks_enter(context, &act);
	call(&act, sig, info, context);
}

static bool is_our_action(const struct sigaction *act)
{
	return act->sa_flags & SA_SIGINFO &&
	       (act->sa_sigaction == on_fatal || act->sa_sigaction == on_once ||
		act->sa_sigaction == on_shielded);
}

/* ---- What the kernel has ------------------------------------------------ */

static void set_our_action(int sig, void (*fn)(int, siginfo_t *, void *),
			   int flags)
{
	struct sigaction act = { .sa_sigaction = fn,
				 .sa_flags = flags | SA_SIGINFO };

	if (fn == on_once)
		act.sa_mask = shadow[sig].sa_mask;
	else
		sigfillset(&act.sa_mask);
	masks_open(&act.sa_mask);
	REAL(sigaction)(sig, &act, NULL);
}

/*
 * Give the kernel the disposition of shadow[sig].  The caller holds the lock.
 */
static void install(int sig)
{
	struct sigaction act = shadow[sig];
	int flags = act.sa_flags & ~SA_RESETHAND;

	if (is_shielded(sig))
		return;
	if (act.sa_handler == SIG_DFL) {
		set_our_action(sig, on_fatal, SA_ONSTACK);
	} else if (act.sa_handler != SIG_IGN && act.sa_flags & SA_RESETHAND) {
		set_our_action(sig, on_once, flags);
	} else {
		masks_open(&act.sa_mask);
		REAL(sigaction)(sig, &act, NULL);
	}
}

void signals_default(int sig)
{
	struct sigaction act = { .sa_handler = SIG_DFL };

	REAL(sigaction)(sig, &act, NULL);
}

/* Install our handlers; in inline mode before libuhmm installs its own. */
void signals_arm(void)
{
	sigset_t old;

	if (atomic_load(&armed))
		return;
	acquire_signals(&old);
	for (size_t i = 0; i < NR_WATCHED; i++) {
		int sig = watched[i];

		REAL(sigaction)(sig, NULL, &shadow[sig]);
		masks_add(&shadow[sig].sa_mask, hidden[sig]);
		if (is_shielded(sig))
			set_our_action(sig, on_shielded, SA_ONSTACK);
		else if (shadow[sig].sa_handler != SIG_IGN)
			install(sig);
	}
	atomic_store(&armed, true);
	release_signals(&old);
}

/* ---- The program's calls ------------------------------------------------ */

/* The caller holds the lock. */
static int set(int sig, const struct sigaction *act)
{
	struct sigaction real = *act;

	if (atomic_load(&armed) && is_watched(sig)) {
		shadow[sig] = *act;
		if (is_our_action(act)) { /* read past our wrapper */
			shadow[sig].sa_handler = SIG_DFL;
			shadow[sig].sa_flags &= ~SA_SIGINFO;
		}
		install(sig);
		return 0;
	}
	hidden[sig] = masks_open(&real.sa_mask);
	return REAL(sigaction)(sig, &real, NULL);
}

/* The caller holds the lock. */
static int get_action(int sig, struct sigaction *ret)
{
	int err = REAL(sigaction)(sig, NULL, ret);
	bool ours = is_our_action(ret) || is_shielded(sig);

	if (err)
		return err;
	if (atomic_load(&armed) && is_watched(sig) && ours)
		*ret = shadow[sig];
	else if (atomic_load(&armed) && is_watched(sig))
		masks_add(&ret->sa_mask, masks_of(&shadow[sig].sa_mask));
	else
		masks_add(&ret->sa_mask, hidden[sig]);
	return 0;
}

static int change_action(int sig, const struct sigaction *act,
			 struct sigaction *ret)
{
	struct sigaction new, was;
	sigset_t old;
	int err;

	/* Copy @act before the lock is taken: its page may be away. */
	if (act)
		new = *act;
	acquire_signals(&old);
	err = get_action(sig, &was);
	if (!err && act)
		err = set(sig, &new);
	release_signals(&old);
	if (!err && ret)
		*ret = was;
	return err;
}

EXPORT int sigaction(int sig, const struct sigaction *act,
		     struct sigaction *ret)
{
	if (sig < 1 || sig >= _NSIG || !manage_is_on() || thread.inside ||
	    map_is_own(__builtin_return_address(0)))
		return REAL(sigaction)(sig, act, ret);
	return change_action(sig, act, ret);
}

/* Set by siginterrupt(3): a later signal(2) sets no SA_RESTART. */
static _Atomic bool interrupts[_NSIG];

static sighandler_t set_handler(int sig, sighandler_t handler, int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction was;

	if (handler == SIG_ERR || sig < 1 || sig >= _NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&act.sa_mask);
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	if (manage_is_on() ? change_action(sig, &act, &was) :
			     REAL(sigaction)(sig, &act, &was))
		return SIG_ERR;
	return was.sa_handler;
}

EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
	bool stops = sig > 0 && sig < _NSIG && interrupts[sig];

	return set_handler(sig, handler, stops ? 0 : SA_RESTART);
}

EXPORT int siginterrupt(int sig, int stops)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act))
		return -1;
	interrupts[sig] = stops;
	act.sa_flags &= ~SA_RESTART;
	if (!stops)
		act.sa_flags |= SA_RESTART;
	return sigaction(sig, &act, NULL);
}

EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler)
	__attribute__((nothrow, leaf, alias("signal")));
EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
	__attribute__((nothrow, leaf, alias("signal")));

EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESETHAND | SA_NODEFER);
}

EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler)
	__attribute__((alias("sysv_signal")));
