/* SPDX-License-Identifier: MIT */
/* signals.h - handlers of signals, their masks and their stacks */
#ifndef UHMM_PRELOAD_SIGNALS_H
#define UHMM_PRELOAD_SIGNALS_H

#include "preload.h"

/* ---- signals.c: handlers ------------------------------------------------ */

/* Set our handlers of fatal signals; call before the context is opened. */
void signals_arm(void);
/* Set the default disposition in the kernel, for good. */
void signals_default(int sig);

/* ---- dump.c: signals that end the process ------------------------------- */

/* Raise @sig in this thread again, with the same siginfo. */
void signals_send(int sig, const siginfo_t *info);
/* Bring all pages home, then let the signal end the process, with a core. */
void on_fatal(int sig, siginfo_t *info, void *context);

/* ---- masks.c: what the program thinks it blocks ------------------------- */

void masks_init(void);
/* The signals of @set that the kernel must never block. */
uint64_t masks_of(const sigset_t *set);
/* Remove them from @set.  Return: those that were in it. */
uint64_t masks_open(sigset_t *set);
void masks_add(sigset_t *set, uint64_t bits);
/*
 * The mask for the kernel where the program waits with @mask: @mask itself, or
 * *@own, a copy of @mask without the signals that must not be blocked.
 */
const sigset_t *masks_given(const sigset_t *mask, sigset_t *own);
/* Block all signals but those that must not be blocked. */
void masks_block_all(sigset_t *old);
void masks_restore(const sigset_t *old);
/* Between the two, neither a handler nor a cancellation ends what we do. */
struct quiet {
	sigset_t mask;
	int cancel;
};
void quiet_begin(struct quiet *old);
void quiet_end(const struct quiet *old);
/* Set the mask that the program's handler @act is to run with. */
void masks_enter(const void *context, const struct sigaction *act);
/*
 * For our handlers of signals that must not be blocked.  If @sig was sent, by
 * no instruction, to a thread of libuhmm or to a thread that believes it blocks
 * @sig: block @sig and send it again.  Return: whether that was done.
 */
bool masks_hold(int sig, const siginfo_t *info, void *context);

/* ---- stacks.c: stacks of threads, and of their handlers ----------------- */

void stacks_init(void);
/* The calling thread begins; its stack has @size bytes and contains @top. */
void stacks_enter(const void *top, size_t size);
/* The size of the stack of a thread with @attr, perhaps NULL. */
size_t stacks_size(const pthread_attr_t *attr);
/*
 * A frame of the calling thread was at @addr, and the thread's stack now ends
 * at @now.  Has the thread returned or jumped out of that frame?
 */
enum stacks_left {
	STACKS_LIVE,
	STACKS_LEFT,
	STACKS_UNKNOWN
};
enum stacks_left stacks_left(uintptr_t addr, uintptr_t now);
/* In a forked child: the parent's other threads do not exist. */
void stacks_forked(void);
/*
 * A thread of the program is about to start on the stack of @attr, which the
 * program chose, or on one of glibc's: pin the part that the kernel writes to
 * without waiting.
 */
void stacks_hold(const pthread_attr_t *attr);
/* Touch all known stacks before they are managed. */
void stacks_touch(void);
/* Call @pin for each known stack once it is managed. */
void stacks_pin(void (*pin)(uintptr_t start, uintptr_t end));

#endif
