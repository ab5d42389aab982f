/* SPDX-License-Identifier: MIT */
#ifndef UHMM_TEST_LOADING_H
#define UHMM_TEST_LOADING_H

#include <stddef.h>

#define LOADING_LEN ((size_t)8 << 20)

/* Byte @i of it is i / 4096 % 251. */
const char *loading_data(void);

#endif
