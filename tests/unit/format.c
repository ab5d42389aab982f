// SPDX-License-Identifier: MIT
/*
 * Messages are formatted as snprintf(3) would, in buffers of any length, and
 * errors have words.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "sys/sys.h"
#include "test.h"

/* A conversion of one argument, in every length from one byte on. */
#define SAME(fmt, ...)                                                       \
	do {                                                                 \
		char want[256], got[256];                                    \
		int len = snprintf(want, sizeof(want), fmt, __VA_ARGS__);    \
                                                                             \
		for (size_t n = 1; n <= (size_t)len + 2; n++) {              \
			memset(got, '!', sizeof(got));                       \
			snprintf(want, n, fmt, __VA_ARGS__);                 \
			CHECK_EQ(sys_format(got, n, fmt, __VA_ARGS__),       \
				 strlen(want));                              \
			if (strcmp(got, want))                               \
				printf("%s: \"%s\", not \"%s\"\n", fmt, got, \
				       want);                                \
			CHECK(!strcmp(got, want));                           \
			CHECK(got[n] == '!');                                \
		}                                                            \
	} while (0)

static void check_integers(void)
{
	SAME("%d", 0);
	SAME("%d|%d", INT_MIN, INT_MAX);
	SAME("%i %u", -1, UINT_MAX);
	SAME("%hd %hhd", (short)-2, (signed char)-3);
	SAME("%hu %hhu", (unsigned short)65535, (unsigned char)255);
	SAME("%ld %ld", LONG_MIN, LONG_MAX);
	SAME("%llu %llx", ULLONG_MAX, ULLONG_MAX);
	SAME("%zu %jd %td", (size_t)7, (intmax_t)-7, (ptrdiff_t)-1);
	SAME("%x %#x %lx %#lx", 0, 0xdeadbeef, 0x0ul, 0xfful);
	SAME("%#x", 0);
	SAME("%04x|%4x|%-4x|", 0x2a, 0x2a, 0x2a);
	SAME("%#010x|%#10x|%-#10x|", 0x2a, 0x2a, 0x2a);
	SAME("%05d|%5d|%-5d|", -42, -42, -42);
	SAME("%10llu|%-12llu|", 18446744073709551615ull, 1ull);
	SAME("%p", (void *)0x1234);
}

static void check_text(void)
{
	SAME("%s", "");
	SAME("plain %s, 100%% %c", "text", 'x');
	SAME("%12s|%-12s|%.3s|%8.2s|", "abc", "abc", "abcdef", "abcdef");
	SAME("%-2s", "longer than that");
}

static void check_fractions(void)
{
	SAME("%.1f %.2f %.3f", 0.0, 1.25, 1234567.875);
	SAME("%10.1f|%-10.1f|", 99.96, 0.04);
	SAME("%.0f %f", 7.2, 0.5);
	SAME("%.1f %08.2f", -0.25 - 0.05, -12.5);
}

/* Nothing breaks, whatever it means. */
static void check_nonsense(void)
{
	const char *unknown = "a %k %d", *open = "100%";
	const char *volatile null = NULL;
	char got[64];

	CHECK_EQ(sys_format(got, sizeof(got), unknown, 5), 7);
	CHECK(!strcmp(got, unknown));
	CHECK_EQ(sys_format(got, sizeof(got), open, 5), 4);
	CHECK(!strcmp(got, open));
	sys_format(got, sizeof(got), "%s", null);
	CHECK(!strcmp(got, "(null)"));
	sys_format(got, sizeof(got), "%.1f", 1e300);
	CHECK(!strcmp(got, "h"));
}

static void check_errors(void)
{
	for (int err = 1; err < 134; err++) {
		CHECK(sys_error(err)[0]);
		CHECK(!strpbrk(sys_error(err), "0123456789"));
		CHECK(sys_error(err) == sys_error(-err));
	}
	CHECK(strcmp(sys_error(-ENOSPC), sys_error(-EIO)));
}

int main(void)
{
	check_integers();
	check_text();
	check_fractions();
	check_nonsense();
	check_errors();
	return 0;
}
