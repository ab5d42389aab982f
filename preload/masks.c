// SPDX-License-Identifier: MIT
/*
 * Signals that instructions raise are never blocked in the kernel, also where
 * the program has blocked them.  The kernel kills a process that faults while
 * SIGBUS is blocked, and in inline mode each touch of an away page is such a
 * fault.  If a thread faults while another of these signals is blocked, the
 * process dies without our handler, and its core lacks the away pages.
 *
 * When such a signal is sent to a thread that believes it blocks the signal,
 * our handler blocks the signal and sends it again.
 */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "preload.h"
#include "real.h"
#include "signals.h"

#define BIT(sig) (UINT64_C(1) << ((sig)-1))
#define OPEN \
	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGSYS))

/* glibc's signal by which setuid(2) reaches all threads. */
#define SETXID BIT(33)

typedef int mask_fn(int, const sigset_t *, sigset_t *);

FIND(sigprocmask);
FIND(pthread_sigmask);
FIND(sigsuspend);

/* The kernel has 64 signals; glibc's set has room for more. */
static uint64_t bits(const sigset_t *set)
{
	uint64_t b;

	memcpy(&b, set, sizeof(b));
	return b;
}

static void set_bits(sigset_t *set, uint64_t b)
{
	memcpy(set, &b, sizeof(b));
}

uint64_t masks_of(const sigset_t *set)
{
	return bits(set) & OPEN;
}

uint64_t masks_open(sigset_t *set)
{
	uint64_t had = masks_of(set);

	set_bits(set, bits(set) & ~OPEN);
	return had;
}

void masks_add(sigset_t *set, uint64_t b)
{
	set_bits(set, bits(set) | b);
}

static int change_mask(int how, const uint64_t *set, uint64_t *ret)
{
	return (int)syscall(SYS_rt_sigprocmask, how, set, ret, sizeof(*set));
}

void masks_block_all(sigset_t *old)
{
	uint64_t all = ~(OPEN | SETXID), was;

	change_mask(SIG_BLOCK, &all, &was);
	set_bits(old, was);
}

void masks_restore(const sigset_t *old)
{
	uint64_t b = bits(old);

	change_mask(SIG_SETMASK, &b, NULL);
}

void quiet_begin(struct quiet *old)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old->cancel);
	masks_block_all(&old->mask);
}

/*
 * glibc 2.36: if pthread_setcancelstate(3) ends a cancelled thread, the
 * thread's result is not PTHREAD_CANCELED.  If pthread_setcanceltype(3) does,
 * the result is right, so cancel the thread there.
 */
static void end_cancel(int old)
{
	int type;

	if (old == PTHREAD_CANCEL_DISABLE)
		return;
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	pthread_setcancelstate(old, NULL);
	if (type != PTHREAD_CANCEL_DEFERRED)
		pthread_setcanceltype(type, NULL);
}

void quiet_end(const struct quiet *old)
{
	masks_restore(&old->mask);
	end_cancel(old->cancel);
}

/* Set the mask that the kernel sets when it calls a handler. */
void masks_enter(const void *context, const struct sigaction *act)
{
	uint64_t b = bits(&((const ucontext_t *)context)->uc_sigmask);

	b = (b | bits(&act->sa_mask)) & ~OPEN;
	change_mask(SIG_SETMASK, &b, NULL);
}

/*
 * In inline mode SIGBUS must stay unblocked: sigprocmask() raises it again when
 * the program unblocks it.
 */
bool masks_hold(int sig, const siginfo_t *info, void *context)
{
	sigset_t *mask = &((ucontext_t *)context)->uc_sigmask;
	uint64_t one = BIT(sig);

	if (info->si_code > 0 || !(OPEN & one) ||
	    (!thread.is_library && !(thread.hidden & one)))
		return false;
	if (sig == SIGBUS && settings.mode == UHMM_FAULTS_INLINE) {
		thread.has_bus = !thread.is_library;
		return true;
	}
	change_mask(SIG_BLOCK, &one, NULL);
	set_bits(mask, bits(mask) | one);
	if (info->si_code == SI_TKILL)
		signals_send(sig, info);
	else
		syscall(SYS_rt_sigqueueinfo, getpid(), sig, info);
	return true;
}

/* Signals that were blocked when the program was started. */
void masks_init(void)
{
	uint64_t open = OPEN, was;

	if (!manage_is_on() || change_mask(SIG_UNBLOCK, &open, &was))
		return;
	thread.hidden = was & OPEN;
	if (thread.hidden)
		signals_arm();
}

/* ---- The program's calls ------------------------------------------------ */

static void note_mask(int how, uint64_t set)
{
	if (how == SIG_BLOCK)
		thread.hidden |= set;
	else if (how == SIG_UNBLOCK)
		thread.hidden &= ~set;
	else
		thread.hidden = set;
}

static int change_hidden(mask_fn *real, int how, const sigset_t *set,
			 sigset_t *ret)
{
	uint64_t was = thread.hidden, asked = set ? masks_of(set) : 0;
	sigset_t given, had;
	int err;

	if (set) {
		given = *set;
		if (how != SIG_UNBLOCK)
			masks_open(&given);
	}
	if (asked)
		signals_arm(); /* ours hold signals sent meanwhile */
	/*
	 * In inline mode the page of @ret may be away, so the kernel writes
	 * @had.
	 */
	err = real(how, set ? &given : NULL, &had);
	if (err)
		return err;
	if (set)
		note_mask(how, asked);
	if (thread.has_bus && !(thread.hidden & BIT(SIGBUS))) {
		thread.has_bus = false;
		raise(SIGBUS);
	}
	masks_add(&had, was);
	if (ret)
		*ret = had;
	return 0;
}

static bool is_program(const void *caller)
{
	return manage_is_on() && !thread.inside && !map_is_own(caller);
}

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *ret)
{
	if (!is_program(__builtin_return_address(0)))
		return REAL(sigprocmask)(how, set, ret);
	return change_hidden(REAL(sigprocmask), how, set, ret);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *ret)
{
	if (!is_program(__builtin_return_address(0)))
		return REAL(pthread_sigmask)(how, set, ret);
	return change_hidden(REAL(pthread_sigmask), how, set, ret);
}

/*
 * Handlers that run during the wait have this mask.  The copy also has the CPU
 * touch @mask: the kernel's touch of an away page would not be served.
 */
const sigset_t *masks_given(const sigset_t *mask, sigset_t *own)
{
	if (!mask || !manage_is_on() || thread.inside)
		return mask;
	*own = *mask;
	masks_open(own);
	return own;
}

EXPORT int sigsuspend(const sigset_t *set)
{
	sigset_t given;

	return REAL(sigsuspend)(masks_given(set, &given));
}
