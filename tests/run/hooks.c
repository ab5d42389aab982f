// SPDX-License-Identifier: MIT
/*
 * A program with printf(3) conversions of its own, as libquadmath has them: the
 * C library's table of them is on the heap.  It fills and checks its heap, and
 * changes its locale on the way, until the devices have failed and are full.
 * A thread that formats a message by the C library then needs memory that is
 * away.
 */
#include <locale.h>
#include <printf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define NR	 48
#define LEN	 ((size_t)1 << 20)
#define NR_WORDS (LEN / sizeof(uint32_t))

static uint32_t *part[NR];

static int put(FILE *f, const struct printf_info *info, const void *const *args)
{
	(void)info;
	(void)args;
	return fputs("ours", f) < 0 ? -1 : 4;
}

static int arguments(const struct printf_info *info, size_t n, int *type,
		     int *size)
{
	(void)info;
	if (n) {
		type[0] = PA_INT;
		size[0] = sizeof(int);
	}
	return 1;
}

static uint32_t next(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x ^ *x >> 13;
}

static void fill(int i)
{
	uint32_t x = (uint32_t)i;

	part[i] = malloc(LEN);
	if (!part[i])
		exit(1);
	for (size_t j = 0; j < NR_WORDS; j++)
		part[i][j] = next(&x);
}

static size_t wrong(int i)
{
	uint32_t x = (uint32_t)i;
	size_t n = 0;

	for (size_t j = 0; j < NR_WORDS; j++)
		n += part[i][j] != next(&x);
	return n;
}

int main(void)
{
	static const char *const names[] = { "C", "C.UTF-8", "POSIX" };
	size_t n = 0;

	if (register_printf_specifier('Y', put, arguments))
		return 1;
	for (int i = 0; i < NR; i++) {
		setlocale(LC_ALL, names[i % 3]);
		fill(i);
	}
	for (int i = 0; i < NR; i++) {
		setlocale(LC_ALL, names[i % 3]);
		n += wrong(i);
	}
	printf("%zu words are wrong\n", n);
	return 0;
}
