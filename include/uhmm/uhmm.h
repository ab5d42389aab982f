/* SPDX-License-Identifier: MIT */
/* uhmm.h - heterogeneous memory management in user space.  See uhmm(7). */
#ifndef UHMM_UHMM_H
#define UHMM_UHMM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UHMM_API __attribute__((visibility("default")))

/* The version of the library in use: major << 16 | minor << 8 | patch. */
UHMM_API uint32_t uhmm_version(void);

#ifdef __cplusplus
}
#endif

#endif
