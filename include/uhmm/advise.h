/* SPDX-License-Identifier: MIT */
/*
 * advise.h - what the program says of its use of memory.  See uhmm_advise(3).
 *
 * Advice is what madvise(2) has under the same names, for memory that is
 * managed.  It never changes what is in memory.
 */
#ifndef UHMM_ADVISE_H
#define UHMM_ADVISE_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * enum uhmm_advice - how a range will be used
 * @UHMM_ADVICE_NORMAL: forget earlier advice about the order of touches
 * @UHMM_ADVICE_RANDOM: in no order: a touch brings home one page
 * @UHMM_ADVICE_SEQUENTIAL: in order: a touch brings home the pages behind, too
 * @UHMM_ADVICE_WILLNEED: soon: pages begin to come home
 * @UHMM_ADVICE_COLD: not soon: the next pages to be demoted for the limit
 * @UHMM_ADVICE_PAGEOUT: not soon: pages are demoted now
 */
enum uhmm_advice {
	UHMM_ADVICE_NORMAL,
	UHMM_ADVICE_RANDOM,
	UHMM_ADVICE_SEQUENTIAL,
	UHMM_ADVICE_WILLNEED,
	UHMM_ADVICE_COLD,
	UHMM_ADVICE_PAGEOUT,
};

/**
 * uhmm_advise() - say how the managed pages of a range will be used
 *
 * Parts that are not managed are passed over.  Advice is a hint: it succeeds
 * also where no page can follow it.
 *
 * WILLNEED does not wait.  It brings pages home in the background, within the
 * limit on RAM, and at most a quarter of the limit.  COLD does nothing where
 * there is no limit.  A touched page is not cold any more.  PAGEOUT blocks on
 * the devices, which are tried in the order in which they were added.  NORMAL,
 * RANDOM and SEQUENTIAL hold until other advice of these three, or until the
 * range is not managed any more.
 *
 * Return: 0; -EINVAL for unknown advice, or an unaligned, empty or wrapping
 * range.
 */
int uhmm_advise(struct uhmm *u, void *addr, size_t len,
		enum uhmm_advice advice);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
