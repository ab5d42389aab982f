// SPDX-License-Identifier: MIT
/*
 * Any text is either parsed, into words that lie within bounds, or refused
 * with a reason and a place.
 *
 * With -fsanitize=fuzzer this is a libFuzzer target (define FUZZER).  Without,
 * it runs on the files named, or on random texts made of a specification's
 * own characters.
 */
#include <errno.h>

#include "spec.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_word(const struct spec *s, const char *word)
{
	CHECK(word >= s->text && word < s->text + SPEC_MAX);
	CHECK(*word);
	CHECK(memchr(word, '\0', (size_t)(s->text + SPEC_MAX - word)));
}

static void check_parsed(const struct spec *s)
{
	CHECK(s->nr_parts >= 1 && s->nr_parts <= SPEC_PARTS);
	for (size_t i = 0; i < s->nr_parts; i++) {
		const struct spec_part *part = &s->parts[i];

		check_word(s, part->name);
		CHECK(part->nr_options <= SPEC_OPTIONS);
		for (size_t k = 0; k < part->nr_options; k++) {
			check_word(s, part->options[k].key);
			check_word(s, part->options[k].value);
		}
	}
	if (s->size) {
		check_word(s, s->size);
		CHECK(s->bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[SPEC_MAX + 100];
	struct spec s;
	int err;

	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	memcpy(text, data, len);
	text[len] = '\0';
	err = spec_parse(&s, text);
	if (!err) {
		check_parsed(&s);
		return 0;
	}
	CHECK_EQ(err, -EINVAL);
	CHECK(s.error);
	CHECK(s.at <= strlen(text));
	return 0;
}

#ifndef FUZZER
static void run_random(void)
{
	static const char *const words[] = {
		"ram",
		"error",
		"/",
		"(",
		")",
		",",
		"=",
		":",
		"1G",
		"64K",
		"0",
		"a",
		"level",
		"1",
		" ",
		"\xff",
		"9999999999999999999",
		"..",
		"ram:1M,a=b",
		"e(a=b)/",
		"x/",
	};
	uint64_t rng = test_seed();
	int runs = test_is_soak() ? 100000000 : 300000;
	char text[SPEC_MAX + 64];

	while (runs--) {
		size_t nr = test_below(&rng, test_below(&rng, 20) ? 20 : 300);
		size_t len = 0;

		for (; nr && len < SPEC_MAX + 32; nr--) {
			const char *w = words[test_below(
				&rng, sizeof(words) / sizeof(words[0]))];

			memcpy(text + len, w, strlen(w));
			len += strlen(w);
		}
		LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	}
}

static void run_file(const char *path)
{
	uint8_t data[SPEC_MAX + 100];
	FILE *file = fopen(path, "rb");
	size_t len;

	CHECK(file);
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, len);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc == 1)
		run_random();
	return 0;
}
#endif
