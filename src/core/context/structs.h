/* SPDX-License-Identifier: MIT */
/*
 * structs.h - structs that the caller and the library may know in different
 * sizes: these begin with their size, and grow at their end.
 */
#ifndef UHMM_CONTEXT_STRUCTS_H
#define UHMM_CONTEXT_STRUCTS_H

#include <stddef.h>

/*
 * Check a caller's struct: the bytes behind @ksize must be zero, else -E2BIG.
 */
int check_struct(const void *p, size_t ksize, size_t usize);
/*
 * check_struct() for an array of @nr entries that the library fills in.  The
 * first entry says how long each entry is, and is checked; the others are
 * zeroed later.
 */
int check_entries(const void *list, size_t ksize, size_t nr);
/* Entry @i becomes @entry, of @ksize bytes that begin with their size. */
void put_entry(void *list, size_t i, const void *entry, size_t ksize);
/*
 * Copy a struct that may grow.  The caller knows @usize bytes of it, the
 * library @ksize.  Bytes that the caller does not know become zero; bytes that
 * the library does not know must be zero.  Return: 0, -EINVAL or -E2BIG.
 */
int copy_struct(void *dst, size_t ksize, const void *src, size_t usize);

#endif
