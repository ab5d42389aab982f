// SPDX-License-Identifier: MIT
/*
 * spec.c - device specifications and sizes: text in, fields out.
 *
 * The parser walks one copy of the text from left to right and turns each
 * delimiter into the NUL that ends the word before it.
 */
#include "spec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <uhmm/provider.h>

/* ---- Sizes ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * "", "M" or "MiB".  Not "MB": that may be meant as 10^6.
 *
 * Return: the factor's binary logarithm, or -1.
 */
static int unit_shift(const char *s)
{
	static const char units[] = "KkMmGgTt";
	const char *unit;

	if (!*s)
		return 0;
	unit = strchr(units, *s);
	if (!unit || (s[1] && strcmp(s + 1, "iB") != 0))
		return -1;
	return (int)((unit - units) / 2 + 1) * 10;
}

/* Digits of a fraction, as millionths; what is smaller is cut off. */
static const char *parse_fraction(const char *s, uint64_t *ret_millionths)
{
	uint64_t value = 0, weight = 100000;

	for (; is_digit(*s); s++) {
		value += (uint64_t)(*s - '0') * weight;
		weight /= 10;
	}
	*ret_millionths = value;
	return s;
}

int uhmm_parse_size(const char *s, uint64_t *ret_bytes)
{
	uint64_t whole = 0, fraction = 0, bytes;
	bool has_fraction;
	int shift;

	if (!s || !ret_bytes || !is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++) {
		if (__builtin_mul_overflow(whole, 10u, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -EINVAL;
	}
	has_fraction = s[0] == '.' && is_digit(s[1]);
	if (has_fraction)
		s = parse_fraction(s + 1, &fraction);
	shift = unit_shift(s);
	if (shift < 0 || (has_fraction && !shift))
		return -EINVAL;
	if (__builtin_mul_overflow(whole, UINT64_C(1) << shift, &bytes) ||
	    __builtin_add_overflow(bytes, (fraction << shift) / 1000000,
				   &bytes))
		return -EINVAL;
	*ret_bytes = bytes;
	return 0;
}

/* ---- Specifications ---- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '-';
}

static char *skip_name(char *p)
{
	while (is_name_char(*p))
		p++;
	return p;
}

int spec_is_name(const char *name)
{
	size_t len = 0;

	while (is_name_char(name[len]))
		len++;
	return len && len < 32 && !name[len];
}

/* End the word before *@p; return what delimited it and step over it. */
static char cut_word(char **p)
{
	char c = **p;

	if (c)
		*(*p)++ = '\0';
	return c;
}

static int malformed(struct spec *s, const char *at, const char *error)
{
	s->error = error;
	s->at = (size_t)(at - s->text);
	return -EINVAL;
}

static bool has_option(const struct spec_part *part, const char *key)
{
	for (size_t i = 0; i < part->nr_options; i++) {
		if (!strcmp(part->options[i].key, key))
			return true;
	}
	return false;
}

/* One "key=value", up to a comma or @close.  *@ret_end: which of them. */
static int parse_option(struct spec *s, struct spec_part *part, char **p,
			char close, char *ret_end)
{
	const char stop[] = { ',', close, '\0' };
	char *key = *p, *value;

	*p = skip_name(key);
	if (*p == key)
		return malformed(s, key, "an option's name is missing");
	if (**p != '=')
		return malformed(s, *p, "'=' is missing");
	cut_word(p);
	value = *p;
	*p += strcspn(value, stop);
	if (*p == value)
		return malformed(s, value, "an option's value is missing");
	if (close && !**p)
		return malformed(s, *p, "')' is missing");
	*ret_end = cut_word(p);
	if (has_option(part, key))
		return malformed(s, key, "an option is given twice");
	if (part->nr_options == SPEC_OPTIONS)
		return malformed(s, key, "too many options");
	part->options[part->nr_options].key = key;
	part->options[part->nr_options++].value = value;
	return 0;
}

/* Options up to and with @close. */
static int parse_options(struct spec *s, struct spec_part *part, char **p,
			 char close)
{
	char end;

	do {
		int err = parse_option(s, part, p, close, &end);

		if (err)
			return err;
	} while (end == ',');
	return 0;
}

/*
 * Parse the size and the options behind the provider's name.  @delimiter: the
 * character that ended the name.
 */
static int parse_provider(struct spec *s, struct spec_part *part, char *p,
			  char delimiter)
{
	if (delimiter == ':' && p[strcspn(p, ",=")] == '=')
		delimiter = ','; /* no size */
	if (delimiter == ':') {
		char *size = p;

		p += strcspn(p, ",");
		delimiter = cut_word(&p);
		if (uhmm_parse_size(size, &s->bytes))
			return malformed(
				s, size,
				"not a size (write 512M, 2G or 1.5GiB)");
		if (!s->bytes)
			return malformed(s, size, "the size is 0");
		s->size = size;
	}
	if (delimiter == ',')
		return parse_options(s, part, &p, '\0');
	if (delimiter)
		return malformed(s, p - 1, "unexpected character");
	return 0;
}

/* A part's name and, for a wrapper, its options.  1: more parts follow. */
static int parse_part(struct spec *s, char **p)
{
	struct spec_part *part = &s->parts[s->nr_parts];
	char delimiter;
	int err;

	if (s->nr_parts == SPEC_PARTS)
		return malformed(s, *p, "too many wrappers");
	s->nr_parts++;
	part->name = *p;
	*p = skip_name(*p);
	if (*p == part->name)
		return malformed(s, *p, "a name is missing");
	delimiter = cut_word(p);
	if (delimiter == '(') {
		err = parse_options(s, part, p, ')');
		if (err)
			return err;
		delimiter = cut_word(p);
		if (delimiter != '/')
			return malformed(s, *p - !!delimiter,
					 "'/' is missing after ')'");
	}
	if (delimiter == '/')
		return 1;
	return parse_provider(s, part, *p, delimiter);
}

int spec_parse(struct spec *s, const char *text)
{
	size_t len = strnlen(text, SPEC_MAX);
	char *p = s->text;
	int more;

	memset(s, 0, sizeof(*s));
	if (len == SPEC_MAX)
		return malformed(s, s->text, "too long");
	memcpy(s->text, text, len);
	do {
		more = parse_part(s, &p);
	} while (more > 0);
	return more;
}
