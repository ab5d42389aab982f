/* SPDX-License-Identifier: MIT */
/*
 * own.h - what in the process is not the application's.  <uhmm/uhmm.h> includes
 * this file.
 */
#ifndef UHMM_OWN_H
#define UHMM_OWN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * uhmm_fd_next() - descriptors that are not the application's
 * @from: the least number of interest
 *
 * An application that closes all descriptors of the process, or puts others in
 * their places, leaves these out: memory that is away is lost without them.
 * They have high numbers and are closed by execve(2).  May be called in a
 * signal handler.
 *
 * Return: the lowest one of libuhmm and its providers from @from on, -1 when
 * there is none.
 */
int uhmm_fd_next(int from);

/**
 * uhmm_own_next() - memory that is not the application's
 * @from: the least address of interest
 * @ret_start: set to the first address of the range
 * @ret_len: set to its length in bytes
 *
 * For an application that walks its own mappings, to lock or to copy them.  The
 * library's ranges are much larger than what is in use of them: locked, they
 * would all be filled.  A mapping that /proc shows can hold such a range and
 * memory of the application side by side.
 *
 * Ranges are told in rising order.  Other threads may add and remove some at
 * any time.  May be called on any thread, but not in a signal handler.
 *
 * Return: 0; -ENOENT: no range of libuhmm or its providers ends behind @from;
 * -EINVAL: @ret_start or @ret_len is NULL.  On an error nothing is set.
 */
int uhmm_own_next(const void *from, void **ret_start, size_t *ret_len);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
