// SPDX-License-Identifier: MIT
/*
 * Threads that begin while nearly all memory is away. The C library reads the
 * locale then, with signals blocked: no fault can be served inline.
 */
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN	   ((size_t)32 << 20)
#define NR_THREADS 100

static void *nothing(void *arg)
{
	return arg;
}

int main(void)
{
	char *p;

	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 77;
	p = malloc(LEN);
	for (int i = 0; i < NR_THREADS; i++) {
		pthread_t t;
		void *ret;

		memset(p + LEN / 4 * ((size_t)i % 4), i, LEN / 4);
		if (pthread_create(&t, NULL, nothing, p) ||
		    pthread_join(t, &ret) || ret != p)
			return 1;
	}
	free(p);
	printf("%d threads\n", NR_THREADS);
	return 0;
}
