// SPDX-License-Identifier: MIT
/*
 * A library with a constructor that runs before those of preloaded libraries,
 * and frees memory from operator new, as constructors in C++ do.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "early.h"

/* operator new, where there is one. */
extern void *_Znwm(size_t n) __attribute__((weak));

static char *kept;

static char *get(size_t n, int c)
{
	char *p = _Znwm ? _Znwm(n) : malloc(n);

	if (!p)
		abort();
	return memset(p, c, n);
}

__attribute__((constructor)) static void begin(void)
{
	free(get(100, 1));
	kept = realloc(get(100, EARLY), 200);
	if (!kept || malloc_usable_size(get(300, 2)) < 300)
		abort();
}

const char *early_kept(void)
{
	return kept;
}
