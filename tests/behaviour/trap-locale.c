// SPDX-License-Identifier: MIT
/*
 * A thread that begins reads the C library's locale, which lies in the heap. It
 * may be the very page that is moving, so nobody may need a new thread to move
 * one.
 */
#include <locale.h>

#include "../context.h"

static char *locale_page(void)
{
	locale_t l;
	uintptr_t p;

	if (!setlocale(LC_ALL, "C.UTF-8"))
		test_skip("there is no locale C.UTF-8");
	l = duplocale(LC_GLOBAL_LOCALE);
	CHECK(l);
	p = (uintptr_t)l->__locales[LC_CTYPE];
	freelocale(l);
	return (char *)(p & ~(uintptr_t)(PAGE - 1));
}

/* The first move of a context. */
static void move(const char *spec, char *p)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, spec);
	uint8_t why;

	if (uhmm_migrate_why(u, p, PAGE, dev, &why) < 0)
		test_skip("the locale is not in the heap");
	CHECK(why == UHMM_WHY_OK || why == UHMM_WHY_TOUCHED);
	CHECK(setlocale(LC_ALL, NULL));
	test_close(u);
}

int main(void)
{
	char *p = locale_page();

	move("dax:4M", p);
	move("ram:4M", p);
	return 0;
}
