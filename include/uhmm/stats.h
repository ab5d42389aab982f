/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what happens in a context: messages, counters, and the
 * features in use.
 *
 * A part of uhmm.h, which says what holds for every call.
 */
#ifndef UHMM_STATS_H
#define UHMM_STATS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm;

typedef void uhmm_log_fn(void *arg, int syslog_level, const char *msg);

/**
 * uhmm_set_log() - send messages to @fn instead of stderr
 *
 * @fn runs on any thread, handler threads too, possibly while the application
 * waits for it: it must not touch managed memory, nor call uhmm or malloc(3).
 * A NULL @fn goes back to stderr (warnings and worse only).  It may be called
 * at any time, on any thread.  Each message goes to one @fn with its own @arg;
 * one that is under way may still go to the former @fn when this returns.
 */
void uhmm_set_log(struct uhmm *u, uhmm_log_fn *fn, void *arg);

/**
 * struct uhmm_stats - counters of a context since it was opened
 * @size: set by the caller
 * @faults: CPU faults on pages that were away on a device
 * @soft_faults: CPU faults on pages waiting in frames
 * @zero_faults: first touches
 * @spurious: faults that needed nothing
 * @to_device: pages copied to devices
 * @to_ram: pages copied home
 * @refused: pages that a move left where they were
 * @touched: moves that lost a page to the CPU
 * @discarded: pages on devices dropped by the application
 * @evicted: pages demoted for the limit
 * @poisoned: pages lost
 * @errors: provider callbacks that failed
 * @limit_waits: faults that waited for room
 * @limit_exceeded: times the limit was passed: for want of anything to
 *	demote, or for a fork(2)
 * @ram_pages: managed pages in RAM now, frames included
 * @ram_peak: the most it ever was
 * @device_pages: pages on devices now
 * @frozen_pages: pages in frames now
 * @pool_pages: empty frames kept
 * @total_pages: all RAM that managed memory takes now: ram_pages, what devices
 *	keep in RAM, and the library's tables; in pages.  With
 *	UHMM_OPEN_LIMIT_PROCESS what is not managed, but for 3 MiB
 * @total_peak: the most it ever was
 * @refaults: pages that came home soon after they were demoted: with three
 *	times the RAM they would not have left
 * @thrash_addr, @thrash_len: where most of them were, when the log told that
 *	the program thrashes; 0: it did not
 * @unmanaged_peak: the most pages in RAM that were not managed, as far as that
 *	can be seen; 0 without UHMM_OPEN_LIMIT_PROCESS
 * @unmanaged_shared, @unmanaged_huge: shared memory, and huge pages, of these
 * @sunk: pages that went from a full device to one below
 * @unchanged: pages that went to a device without a copy, since they were the
 *	same as when they came home from there
 * @blocked_ns: time the application's threads spent in faults; needs threads
 *	mode to count system calls too
 * @fault_p50_ns, @fault_p99_ns, @fault_max_ns: to resolve one fault, from
 *	reading it to the wake-up
 * @stuck_calls: calls of providers that the watchdog has reported and that have
 *	not ended
 * @longest_call_ns: the longest that such a call took, or has taken so far
 * @unwritten: pages that came home from devices without a copy, since nobody
 *	had written to them there
 * @kept_pages: frames kept for that now; not among @ram_pages
 */
struct uhmm_stats {
	size_t size;
	uint64_t faults;
	uint64_t soft_faults;
	uint64_t zero_faults;
	uint64_t spurious;
	uint64_t to_device;
	uint64_t to_ram;
	uint64_t refused;
	uint64_t touched;
	uint64_t discarded;
	uint64_t evicted;
	uint64_t poisoned;
	uint64_t errors;
	uint64_t limit_waits;
	uint64_t limit_exceeded;
	uint64_t ram_pages;
	uint64_t ram_peak;
	uint64_t device_pages;
	uint64_t frozen_pages;
	uint64_t pool_pages;
	uint64_t blocked_ns;
	uint64_t fault_p50_ns;
	uint64_t fault_p99_ns;
	uint64_t fault_max_ns;
	uint64_t stuck_calls;
	uint64_t longest_call_ns;
	uint64_t unwritten;
	uint64_t kept_pages;
	uint64_t total_pages;
	uint64_t total_peak;
	uint64_t sunk;
	uint64_t unmanaged_peak;
	uint64_t unmanaged_shared;
	uint64_t unmanaged_huge;
	uint64_t refaults;
	uint64_t thrash_addr;
	uint64_t thrash_len;
	uint64_t unchanged;
};

/**
 * uhmm_stats() - fill in @ret_stats
 *
 * Return: 0, -EINVAL, -E2BIG or -ENODEV.
 */
int uhmm_stats(struct uhmm *u, struct uhmm_stats *ret_stats);

/**
 * uhmm_features() - the kernel features in use, comma separated
 *
 * Names as in uhmm_params.features_off; "threads" or "inline" comes first.
 *
 * Return: the length without the final NUL, as snprintf(3) counts it; -EINVAL;
 * -ENODEV in the child of a fork(2).
 */
int uhmm_features(struct uhmm *u, char *ret_text, size_t len);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
