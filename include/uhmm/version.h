/* SPDX-License-Identifier: MIT */
/*
 * version.h - the version of the library, and what it was built for.
 *
 * A part of uhmm.h, which says what holds for every call.
 */
#ifndef UHMM_VERSION_H
#define UHMM_VERSION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define UHMM_VERSION_MAJOR 0
#define UHMM_VERSION_MINOR 1
#define UHMM_VERSION_PATCH 0

/**
 * uhmm_version() - the version of the library that runs
 *
 * Return: major << 16 | minor << 8 | patch.
 */
uint32_t uhmm_version(void);

/**
 * uhmm_page_size() - bytes of a page: 4096 on this release's systems
 *
 * Return: a power of two, always the same one.
 */
#ifdef __GNUC__
__attribute__((const))
#endif
size_t
uhmm_page_size(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
