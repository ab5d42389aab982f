/* SPDX-License-Identifier: MIT */
/* format.c - see format.h; nothing here calls anything outside of this file */
#include "sys/format.h"

#include <stdbool.h>
#include <stdint.h>

#define NR_DIGITS  24 /* of 64 bits, and more */
#define MAX_WIDTH  4096
#define MAX_PLACES 9

/* @room: bytes that may still be written, without the final NUL */
struct output {
	char *at;
	size_t room;
};

/* One conversion.  @places: -1: not given */
struct conversion {
	bool alternate, zeroes, left;
	unsigned width;
	int places;
	unsigned bytes; /* of an integer */
	char type;
};

/* ---- Parsing ---- */

static const char *parse_flags(const char *s, struct conversion *c)
{
	for (;; s++) {
		if (*s == '#')
			c->alternate = true;
		else if (*s == '0')
			c->zeroes = true;
		else if (*s == '-')
			c->left = true;
		else
			return s;
	}
}

static const char *parse_number(const char *s, unsigned *ret)
{
	unsigned n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n < MAX_WIDTH ? n * 10 + (unsigned)(*s - '0') : n;
	*ret = n < MAX_WIDTH ? n : MAX_WIDTH;
	return s;
}

static const char *parse_length(const char *s, struct conversion *c)
{
	c->bytes = sizeof(int);
	while (*s == 'h') {
		c->bytes /= 2;
		s++;
	}
	for (; *s == 'l' || *s == 'z' || *s == 'j' || *s == 't'; s++)
		c->bytes = sizeof(uint64_t);
	return s;
}

/* @s: what follows the '%' */
static const char *parse_conversion(const char *s, struct conversion *c)
{
	unsigned places;

	*c = (struct conversion){ .places = -1 };
	s = parse_flags(s, c);
	s = parse_number(s, &c->width);
	if (*s == '.') {
		s = parse_number(s + 1, &places);
		c->places = (int)places;
	}
	s = parse_length(s, c);
	c->type = *s;
	return *s ? s + 1 : s;
}

/* ---- Writing ---- */

static void put_chars(struct output *o, char c, size_t times)
{
	for (; times && o->room; times--, o->room--)
		*o->at++ = c;
}

static void put_text(struct output *o, const char *s, size_t len)
{
	for (; len && o->room; len--, o->room--)
		*o->at++ = *s++;
}

/* Text with a prefix, a sign for example, padded to the width. */
static void put_padded(struct output *o, const struct conversion *c,
		       const char *prefix, const char *s, size_t len)
{
	size_t all = len, pad;

	for (const char *p = prefix; *p; p++)
		all++;
	pad = all < c->width ? c->width - all : 0;
	if (!c->left && !c->zeroes)
		put_chars(o, ' ', pad);
	put_text(o, prefix, all - len);
	if (!c->left && c->zeroes)
		put_chars(o, '0', pad);
	put_text(o, s, len);
	if (c->left)
		put_chars(o, ' ', pad);
}

/* Digits of @n that end before @end.  Return: the first. */
static char *write_digits(char *end, uint64_t n, unsigned base)
{
	do {
		*--end = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	return end;
}

static void put_integer(struct output *o, const struct conversion *c,
			uint64_t n, bool is_negative)
{
	bool is_hex = c->type == 'x' || c->type == 'p';
	char text[NR_DIGITS], *end = text + sizeof(text), *s;
	const char *prefix = is_negative ? "-" : "";

	if (c->type == 'p' || (is_hex && c->alternate && n))
		prefix = "0x";
	s = write_digits(end, n, is_hex ? 16 : 10);
	put_padded(o, c, prefix, s, (size_t)(end - s));
}

static uint64_t cut_number(uint64_t n, unsigned bytes)
{
	return bytes < sizeof(n) ? n & ((UINT64_C(1) << bytes * 8) - 1) : n;
}

static int64_t extend(uint64_t n, unsigned bytes)
{
	unsigned shift = (unsigned)(sizeof(n) - bytes) * 8;

	return (int64_t)(n << shift) >> shift;
}

static void put_signed(struct output *o, const struct conversion *c, uint64_t n)
{
	bool is_negative = extend(n, c->bytes) < 0;

	if (is_negative)
		n = 0 - (uint64_t)extend(n, c->bytes);
	put_integer(o, c, is_negative ? n : cut_number(n, c->bytes),
		    is_negative);
}

static void put_string(struct output *o, const struct conversion *c,
		       const char *s)
{
	struct conversion plain = *c;
	size_t len = 0;

	if (!s)
		s = "(null)";
	while ((c->places < 0 || len < (size_t)c->places) && s[len])
		len++;
	plain.zeroes = false;
	put_padded(o, &plain, "", s, len);
}

/* As much as 64 bits hold; what is larger is "huge". */
static void put_float(struct output *o, const struct conversion *c, double x)
{
	unsigned places = c->places < 0 ? 6 : (unsigned)c->places;
	char text[2 * NR_DIGITS], *end = text + sizeof(text), *s = end;
	const char *prefix = x < 0 ? "-" : "";
	uint64_t scale = 1, n;

	if (places > MAX_PLACES)
		places = MAX_PLACES;
	for (unsigned i = 0; i < places; i++)
		scale *= 10;
	x = x < 0 ? -x : x;
	if (!(x * (double)scale < 1e19)) {
		put_string(o, c, x != x ? "nan" : "huge");
		return;
	}
	n = (uint64_t)(x * (double)scale + 0.5);
	for (unsigned i = 0; i < places; i++, n /= 10)
		*--s = (char)('0' + n % 10);
	if (places)
		*--s = '.';
	s = write_digits(s, n, 10);
	put_padded(o, c, prefix, s, (size_t)(end - s));
}

/* ---- The whole ---- */

static uint64_t next_integer(va_list *ap, const struct conversion *c)
{
	if (c->bytes == sizeof(uint64_t))
		return va_arg(*ap, uint64_t);
	return va_arg(*ap, unsigned);
}

/* Return: whether the conversion is known. */
static bool convert(struct output *o, const struct conversion *c, va_list *ap)
{
	char one;

	switch (c->type) {
	case 'd':
	case 'i':
		put_signed(o, c, next_integer(ap, c));
		return true;
	case 'u':
	case 'x':
		put_integer(o, c, cut_number(next_integer(ap, c), c->bytes),
			    false);
		return true;
	case 'p':
		put_integer(o, c, (uintptr_t)va_arg(*ap, void *), false);
		return true;
	case 'f':
		put_float(o, c, va_arg(*ap, double));
		return true;
	case 's':
		put_string(o, c, va_arg(*ap, const char *));
		return true;
	case 'c':
		one = (char)va_arg(*ap, int);
		put_padded(o, c, "", &one, 1);
		return true;
	case '%':
		put_chars(o, '%', 1);
		return true;
	default:
		return false;
	}
}

size_t sys_vformat(char *buf, size_t len, const char *fmt, va_list ap)
{
	struct output o = { buf, len - 1 };
	struct conversion c;
	bool known = true;
	va_list args;

	va_copy(args, ap);
	while (*fmt && o.room) {
		const char *next;

		if (*fmt != '%' || !known) {
			put_chars(&o, *fmt++, 1);
			continue;
		}
		next = parse_conversion(fmt + 1, &c);
		known = convert(&o, &c, &args);
		fmt = known ? next : fmt;
	}
	va_end(args);
	*o.at = '\0';
	return (size_t)(o.at - buf);
}

size_t sys_format(char *buf, size_t len, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = sys_vformat(buf, len, fmt, ap);
	va_end(ap);
	return n;
}
