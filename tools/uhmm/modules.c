// SPDX-License-Identifier: MIT
/* Loads all providers that are modules, so that they are listed as well. */
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <uhmm/provider.h>

#include "tool.h"

/* @name: "NAME" of "DIR/NAME.so".  False: a library, not a module. */
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

/* @len: the length of @dir, which need not end with a NUL. */
static void load_folder(const char *dir, int len, module_fn *failed)
{
	char pattern[PATH_MAX], name[64], why[512];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%.*s/*.so", len, dir);
	if (glob(pattern, 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (module_name(g.gl_pathv[i], name, sizeof(name)) &&
		    uhmm_module_load(name, why, sizeof(why)))
			failed(name, why);
	globfree(&g);
}

void modules_load(module_fn *failed)
{
	const char *dirs = uhmm_module_path();

	for (;;) {
		size_t len = strcspn(dirs, ":");

		if (len)
			load_folder(dirs, (int)len, failed);
		else
			load_folder(UHMM_MODULE_DIR, strlen(UHMM_MODULE_DIR),
				    failed);
		if (!dirs[len])
			return;
		dirs += len + 1;
	}
}
