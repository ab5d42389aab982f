// SPDX-License-Identifier: MIT
/* Memory that a library allocated and freed before main() was handled well. */
#include <stdio.h>
#include <stdlib.h>

#include "early.h"

int main(void)
{
	const char *p = early_kept();

	for (int i = 0; i < 100; i++)
		if (p[i] != EARLY)
			return 1;
	free((void *)p);
	puts("well");
	return 0;
}
