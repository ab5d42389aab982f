// SPDX-License-Identifier: MIT
/*
 * The C library's locale lies outside managed memory. Each thread reads it as
 * it begins, with all signals blocked, so that no fault can be served inline.
 */
#include <dlfcn.h>
#include <locale.h>

#include "preload.h"

EXPORT char *setlocale(int category, const char *locale)
{
	static char *(*real)(int, const char *);
	char *ret;

	if (!real)
		real = (char *(*)(int, const char *))dlsym(RTLD_NEXT,
							   "setlocale");
	inside_enter();
	ret = real(category, locale);
	inside_leave();
	return ret;
}

EXPORT locale_t newlocale(int mask, const char *locale, locale_t base)
{
	static locale_t (*real)(int, const char *, locale_t);
	locale_t ret;

	if (!real)
		real = (locale_t(*)(int, const char *,
				    locale_t))dlsym(RTLD_NEXT, "newlocale");
	inside_enter();
	ret = real(mask, locale, base);
	inside_leave();
	return ret;
}
