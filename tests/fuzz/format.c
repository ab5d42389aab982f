// SPDX-License-Identifier: MIT
/*
 * A conversion with any flags, width, precision and length is written as
 * snprintf(3) writes it, into a buffer of any length.
 *
 * With -fsanitize=fuzzer this is a libFuzzer target (define FUZZER).  Without,
 * it runs on random input.
 */
#include <stdio.h>

#include "sys/sys.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* @len: of the buffers; @value: of all integers; @text: of strings */
struct input {
	uint8_t flags, width, places, length, type, len;
	uint64_t value;
	char text[16];
};

static void append(char *fmt, const char *s)
{
	strcat(fmt, s);
}

static void append_number(char *fmt, const char *before, unsigned n)
{
	sprintf(fmt + strlen(fmt), "%s%u", before, n);
}

/* Zeroes and '-' or strings mean nothing together, nor '#' and no 'x'. */
static char compose(const struct input *in, char *fmt)
{
	static const char *const lengths[] = { "", "h", "hh", "l", "ll", "z" };
	static const char types[] = "diuxsc";
	char type[2] = { types[in->type % 6], '\0' };
	bool is_text = type[0] == 's' || type[0] == 'c';

	strcpy(fmt, "<%");
	if (in->flags & 1)
		append(fmt, "-");
	else if (in->flags & 2 && !is_text)
		append(fmt, "0");
	if (in->flags & 4 && type[0] == 'x')
		append(fmt, "#");
	if (in->flags & 8)
		append_number(fmt, "", 1 + in->width % 40u);
	if (in->flags & 16 && type[0] == 's')
		append_number(fmt, ".", in->places % 20u);
	if (!is_text)
		append(fmt, lengths[in->length % 6]);
	append(fmt, type);
	append(fmt, ">");
	return type[0];
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char fmt[64], want[128], got[128];
	struct input in = { .flags = 0 };
	size_t room;

	memcpy(&in, data, len < sizeof(in) ? len : sizeof(in));
	in.text[sizeof(in.text) - 1] = '\0';
	room = 1 + in.len % (sizeof(want) - 1);
	if (compose(&in, fmt) == 's') {
		snprintf(want, room, fmt, in.text);
		len = sys_format(got, room, fmt, in.text);
	} else {
		snprintf(want, room, fmt, in.value);
		len = sys_format(got, room, fmt, in.value);
	}
	/* a character that is 0 ends neither */
	if (memcmp(want, got, len) || got[len] || len >= room)
		printf("%s: \"%s\", not \"%s\"\n", fmt, got, want);
	CHECK(len < room && !got[len]);
	CHECK(!memcmp(want, got, len + 1));
	return 0;
}

#ifndef FUZZER
int main(void)
{
	uint64_t seed = test_seed();
	struct input in;

	for (int i = 0; i < 200000; i++) {
		uint64_t word[(sizeof(in) + 7) / 8];

		for (size_t k = 0; k < sizeof(word) / 8; k++)
			word[k] = test_random(&seed);
		memcpy(&in, word, sizeof(in));
		LLVMFuzzerTestOneInput((const uint8_t *)&in, sizeof(in));
	}
	return 0;
}
#endif
