/* SPDX-License-Identifier: MIT */
/*
 * spec.h - device specifications, cut into parts.
 *
 *	[WRAPPER[(key=value,...)]/...]PROVIDER[:SIZE][,key=value]...
 *
 * Without SIZE a colon before the first key will do as well.
 *
 * Only the form is checked here; which names and keys exist is known to
 * provider.c.  Nothing is allocated: a specification has bounds.
 */
#ifndef UHMM_SPEC_H
#define UHMM_SPEC_H

#include <stddef.h>
#include <stdint.h>

#define SPEC_MAX     512 /* bytes, with the final NUL */
#define SPEC_PARTS   8	 /* wrappers and the provider */
#define SPEC_OPTIONS 16	 /* of one part */

struct spec_option {
	const char *key;
	const char *value; /* never empty */
};

struct spec_part {
	const char *name;
	struct spec_option options[SPEC_OPTIONS];
	size_t nr_options;
};

/*
 * @parts: outermost wrapper first, the provider last; they point into @text
 * @size: SIZE as written, NULL when there is none
 * @bytes: its value
 * @error, @at: after a failure, what is wrong and the offset where
 */
struct spec {
	char text[SPEC_MAX];
	struct spec_part parts[SPEC_PARTS];
	size_t nr_parts;
	const char *size;
	uint64_t bytes;
	const char *error;
	size_t at;
};

/* Return: 0, or -EINVAL with @error and @at set. */
int spec_parse(struct spec *s, const char *text);

/* Is @name made of the characters that a name or a key may have? */
int spec_is_name(const char *name);

#endif
