// SPDX-License-Identifier: MIT
/*
 * The C library's locale lies outside managed memory. Each thread reads it as
 * it begins, with all signals blocked, so that no fault can be served inline.
 */
#include <locale.h>

#include "preload.h"
#include "real.h"

FIND(setlocale);
FIND(newlocale);

EXPORT char *setlocale(int category, const char *locale)
{
	char *ret;

	inside_enter();
	ret = REAL(setlocale)(category, locale);
	inside_leave();
	return ret;
}

EXPORT locale_t newlocale(int mask, const char *locale, locale_t base)
{
	locale_t ret;

	inside_enter();
	ret = REAL(newlocale)(mask, locale, base);
	inside_leave();
	return ret;
}
