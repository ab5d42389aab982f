/* SPDX-License-Identifier: MIT */
/*
 * bus.c - what the program does about SIGBUS, while our handler stands
 * in front of it.
 *
 * A signal that the library did not cause is passed on as the kernel would have
 * delivered it: the program's handler runs with the mask that it asked for, a
 * one-shot handler (SA_RESETHAND) is called once, and the default action ends
 * the process with that signal.  Only SIGBUS is never blocked, since the
 * program's handler may touch pages that are away.
 *
 * DOC: Restoring
 *
 * The kernel raises SIGBUS in two steps: it finds that a page is missing, and
 * later, on the way out, it looks at the handler.  So for a moment after the
 * last page was unregistered a thread may still be about to get a SIGBUS for
 * one of them, which would kill the program.  The program's disposition comes
 * back once no thread can be between these steps.  Where that cannot be seen
 * our handler stays, and hands all on.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include "mm/uffd/bus.h"
#include "sys/kernel.h"
#include "sys/sys.h"

#define BUS_BIT	    (UINT64_C(1) << (SIGBUS - 1))
#define PATIENCE_NS (UINT64_C(200) * 1000 * 1000)

/* Written before our handler is there to read it. */
static struct sigaction old;
static _Atomic bool used_up; /* @old was for one signal, and that has come */

/*
 * The signal that this thread has passed to @old, and the stack pointer at that
 * time.  If the handler left by longjmp(3), the entry is still set, and the
 * next signal may be at the same place on the stack.
 */
static _Thread_local struct {
	const siginfo_t *info;
	uintptr_t sp;
} given;

static uint64_t mask_of(const sigset_t *set)
{
	uint64_t bits;

	memcpy(&bits, set, sizeof(bits));
	return bits;
}

/* The mask as on entry to the program's handler. */
static void enter_mask(const void *context, const sigset_t *more)
{
	const ucontext_t *uc = context;
	uint64_t mask = mask_of(&uc->uc_sigmask) | mask_of(more);

	sys_signals_restore(mask & ~BUS_BIT);
}

static void by_default(int sig, siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	sys_sigaction(sig, &dfl, NULL);
	/* Here it ends.  If not, the instruction raises it again. */
	if (sys_sigsend(sys_gettid(), sig, info) && info->si_code <= 0)
		sys_tgkill(sys_gettid(), sig);
}

static void call(int sig, siginfo_t *info, void *context)
{
	given.info = info;
	given.sp = (uintptr_t)__builtin_frame_address(0);
	enter_mask(context, &old.sa_mask);
	if (old.sa_flags & SA_SIGINFO)
		old.sa_sigaction(sig, info, context);
	else
		old.sa_handler(sig);
	given.info = NULL;
}

/* Has the program's handler before ours passed the signal back to ours? */
static bool comes_back(const siginfo_t *info)
{
	return info == given.info &&
	       (uintptr_t)__builtin_frame_address(0) < given.sp;
}

static bool is_handler(void)
{
	return old.sa_flags & SA_SIGINFO ||
	       (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN);
}

void uffd_bus_pass_on(int sig, siginfo_t *info, void *context)
{
	bool once = old.sa_flags & SA_RESETHAND;

	if (comes_back(info))
		by_default(sig, info);
	else if (is_handler() && !(once && atomic_exchange(&used_up, true)))
		call(sig, info, context);
	else if (old.sa_handler != SIG_IGN || info->si_code > 0)
		by_default(sig, info);
}

static bool is_our_action(const struct sigaction *act, uffd_bus_fn *fn)
{
	return act->sa_flags & SA_SIGINFO && act->sa_sigaction == fn;
}

/*
 * All signals are blocked in our handler but those that an instruction raises.
 * glibc's own two are blocked as well: the one that cancels a thread would end
 * it with a lock held, and the handler of the other reads memory that may be
 * away.
 */
static void fill_mask(sigset_t *set)
{
	const int open[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGSYS };

	memset(set, 0xff, sizeof(*set));
	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		sigdelset(set, open[i]);
}

int uffd_bus_install(uffd_bus_fn *fn)
{
	struct sigaction act = {
		.sa_sigaction = fn,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART,
	};
	struct sigaction now;
	int ret = sys_sigaction(SIGBUS, NULL, &now);

	if (ret || is_our_action(&now, fn))
		return ret;
	old = now;
	atomic_store(&used_up, false);
	fill_mask(&act.sa_mask);
	return sys_sigaction(SIGBUS, &act, NULL);
}

/* Unless the program has installed one of its own since. */
void uffd_bus_restore(uffd_bus_fn *fn, bool alone)
{
	struct sigaction now;

	if (sys_sigaction(SIGBUS, NULL, &now) || !is_our_action(&now, fn))
		return;
	if (!alone && !sys_threads_pass(BUS_BIT, PATIENCE_NS))
		return;
	now = old;
	if (atomic_load(&used_up)) {
		now.sa_flags &= ~SA_SIGINFO;
		now.sa_handler = SIG_DFL;
	}
	sys_sigaction(SIGBUS, &now, NULL);
}
