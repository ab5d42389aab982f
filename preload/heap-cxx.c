// SPDX-License-Identifier: MIT
/*
 * C++'s new and delete are malloc() and free(), as with glibc.  jemalloc's own
 * operators would hand out memory that is not managed or is aligned to 8 bytes
 * only, and would trust the size that delete is told.
 *
 * If malloc() fails, jemalloc's operator tries again: it calls the program's
 * new-handler, and throws.
 */
#include <jemalloc/jemalloc.h>
#include <stdlib.h>

#include "preload.h"

#define NEW(symbol, fn, params, args, take)                            \
	typedef void *fn##_fn params;                                  \
	void *fn params __asm__(symbol);                               \
	EXPORT void *fn params                                         \
	{                                                              \
		void *p = take;                                        \
                                                                       \
		if (unlikely(!p)) {                                    \
			fn##_fn *other = (fn##_fn *)heap_find(symbol); \
                                                                       \
			p = other ? other args : NULL;                 \
		}                                                      \
		return p;                                              \
	}

typedef const void *nothrow;

NEW("_Znwm", new_1, (size_t n), (n), malloc(n))
NEW("_Znam", new_n, (size_t n), (n), malloc(n))
NEW("_ZnwmRKSt9nothrow_t", new_1_nothrow, (size_t n, nothrow t), (n, t),
    malloc(n))
NEW("_ZnamRKSt9nothrow_t", new_n_nothrow, (size_t n, nothrow t), (n, t),
    malloc(n))
NEW("_ZnwmSt11align_val_t", new_1_aligned, (size_t n, size_t align), (n, align),
    aligned_alloc(align, n))
NEW("_ZnamSt11align_val_t", new_n_aligned, (size_t n, size_t align), (n, align),
    aligned_alloc(align, n))
NEW("_ZnwmSt11align_val_tRKSt9nothrow_t", new_1_aligned_nothrow,
    (size_t n, size_t align, nothrow t), (n, align, t), aligned_alloc(align, n))
NEW("_ZnamSt11align_val_tRKSt9nothrow_t", new_n_aligned_nothrow,
    (size_t n, size_t align, nothrow t), (n, align, t), aligned_alloc(align, n))

#define DELETE(symbol, fn, ...)                          \
	void fn(void *p, ##__VA_ARGS__) __asm__(symbol); \
	EXPORT void fn(void *p, ##__VA_ARGS__)           \
	{                                                \
		free(p);                                 \
	}

DELETE("_ZdlPv", delete_1)
DELETE("_ZdaPv", delete_n)
DELETE("_ZdlPvRKSt9nothrow_t", delete_1_nothrow, nothrow t)
DELETE("_ZdaPvRKSt9nothrow_t", delete_n_nothrow, nothrow t)
DELETE("_ZdlPvm", delete_1_sized, size_t n)
DELETE("_ZdaPvm", delete_n_sized, size_t n)
DELETE("_ZdlPvSt11align_val_t", delete_1_aligned, size_t align)
DELETE("_ZdaPvSt11align_val_t", delete_n_aligned, size_t align)
DELETE("_ZdlPvSt11align_val_tRKSt9nothrow_t", delete_1_aligned_nothrow,
       size_t align, nothrow t)
DELETE("_ZdaPvSt11align_val_tRKSt9nothrow_t", delete_n_aligned_nothrow,
       size_t align, nothrow t)
DELETE("_ZdlPvmSt11align_val_t", delete_1_sized_aligned, size_t n, size_t align)
DELETE("_ZdaPvmSt11align_val_t", delete_n_sized_aligned, size_t n, size_t align)

/* C23's, and jemalloc's sdallocx(): free() does not need the size. */
void free_sized(void *p, size_t n);
void free_aligned_sized(void *p, size_t align, size_t n);
void sdallocx(void *p, size_t n, int flags);

EXPORT void free_sized(void *p, size_t n)
{
	free(p);
}

EXPORT void free_aligned_sized(void *p, size_t align, size_t n)
{
	free(p);
}

EXPORT void sdallocx(void *p, size_t n, int flags)
{
	dallocx(p, flags);
}
