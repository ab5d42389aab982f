/* SPDX-License-Identifier: MIT */
#ifndef UHMM_TEST_EARLY_H
#define UHMM_TEST_EARLY_H

#define EARLY 'e'

/* 200 bytes, of which the first 100 are EARLY. */
const char *early_kept(void);

#endif
