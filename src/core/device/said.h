/* SPDX-License-Identifier: MIT */
/*
 * said.h - why a provider fails, in its own words: uhmm_provider_fail().
 *
 * Each thread has its own sentence.  The sentence is cleared when the next
 * callback begins on the thread, so that it never explains another failure.
 */
#ifndef UHMM_DEVICE_SAID_H
#define UHMM_DEVICE_SAID_H

void said_clear(void);
/*
 * The calling thread's sentence, or "".  Valid until the thread's next
 * callback.
 */
const char *said_text(void);

#endif
