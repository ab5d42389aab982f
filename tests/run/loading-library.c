// SPDX-License-Identifier: MIT
/* A library with a constructor that uses more memory than there is. */
#include <stdlib.h>
#include <string.h>

#include "loading.h"

static char *data;

/* The loader holds its lock. */
__attribute__((constructor)) static void begin(void)
{
	data = malloc(LOADING_LEN);
	if (!data)
		abort();
	for (size_t i = 0; i < LOADING_LEN; i += 4096)
		memset(data + i, (int)(i / 4096 % 251), 4096);
}

const char *loading_data(void)
{
	return data;
}
