// SPDX-License-Identifier: MIT
/*
 * The C library's locale lies outside managed memory.  Each new thread reads
 * the locale with all signals blocked, when inline mode can serve no fault.
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
