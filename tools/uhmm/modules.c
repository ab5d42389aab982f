// SPDX-License-Identifier: MIT
/*
 * Providers that are modules: all that there are, loaded so that they are
 * listed with the others.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include <uhmm/provider.h>

#include "tool.h"

/* "DIR/NAME.so" without the rest; false: it is a library, and no module. */
static bool module_name(const char *path, char *name, size_t len)
{
	const char *base = strrchr(path, '/');
	char *dot;

	snprintf(name, len, "%s", base ? base + 1 : path);
	dot = strrchr(name, '.');
	if (dot)
		*dot = '\0';
	return strncmp(name, "lib", 3) != 0;
}

void modules_load(module_fn *failed)
{
	char pattern[512], name[64], why[512];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/*.so", uhmm_module_dir());
	if (glob(pattern, 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (module_name(g.gl_pathv[i], name, sizeof(name)) &&
		    uhmm_module_load(name, why, sizeof(why)))
			failed(name, why);
	globfree(&g);
}
