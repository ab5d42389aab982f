// SPDX-License-Identifier: MIT
/*
 * module.c - providers that are libraries of their own, loaded when a
 * specification names one that is not known yet.
 *
 * The module of provider NAME is the file NAME.so in the first folder of a path
 * that has one: that of the installation, or what the variable UHMM_MODULES
 * says.  It exports one symbol, a struct uhmm_module.  Once loaded it stays.
 */
#include "module.h"

#include <errno.h>
#include <string.h>

#include <uhmm/provider.h>

#include "spec.h"
#include "sys/lock.h"
#include "sys/module.h"
#include "sys/sys.h"

#define PATH_LEN 512

static struct sys_mutex loading;

const char *uhmm_module_path(void)
{
	const char *path = sys_getenv("UHMM_MODULES");

	return path && *path ? path : UHMM_PROVIDER_DIR;
}

/* "DIR/NAME.so"; what does not fit is a path that is not there. */
static void join_path(char path[PATH_LEN], const char *dir, size_t len,
		      const char *name)
{
	if (!len) {
		dir = UHMM_PROVIDER_DIR;
		len = strlen(dir);
	}
	if (len >= PATH_LEN)
		len = 0;
	memcpy(path, dir, len);
	sys_format(path + len, PATH_LEN - len, "/%s.so", name);
}

/* The file NAME.so in the first folder that has one.  False: none has. */
static bool find_file(const char *name, char path[PATH_LEN])
{
	const char *dirs = uhmm_module_path();

	for (;;) {
		size_t len = strcspn(dirs, ":");

		join_path(path, dirs, len, name);
		if (sys_module_exists(path))
			return true;
		if (!dirs[len])
			return false;
		dirs += len + 1;
	}
}

static bool is_registered(const char *name)
{
	const struct uhmm_provider *p = NULL;

	while ((p = uhmm_provider_next(p)))
		if (!strcmp(p->name, name))
			return true;
	return false;
}

/* Libraries that are no modules lie in that directory too. */
static bool may_be_module(const char *name)
{
	return spec_is_name(name) && strncmp(name, "lib", 3) != 0;
}

static int use_module(const struct uhmm_module *m, const char *name, char *why,
		      size_t len)
{
	int err;

	if (m->size < sizeof(*m) || m->abi != UHMM_PROVIDER_ABI) {
		sys_format(why, len,
			   "the module is for version %u of the interface, "
			   "and this library has %u; rebuild it, or install "
			   "the module that came with this library",
			   m->abi, UHMM_PROVIDER_ABI);
		return -ENOEXEC;
	}
	if (!m->provider || !m->provider->name ||
	    strcmp(m->provider->name, name) != 0) {
		sys_format(why, len,
			   "the module has another provider; give the file the "
			   "name of its provider");
		return -ENOEXEC;
	}
	err = uhmm_provider_register(m->provider);
	if (err && err != -EEXIST) {
		sys_format(
			why, len,
			"the module's provider is malformed; rebuild it with "
			"uhmm/provider.h of this library");
		return -ENOEXEC;
	}
	return 0;
}

static int load(const char *name, char *why, size_t len)
{
	char path[PATH_LEN];
	void *symbol;
	int err;

	if (!may_be_module(name) || !find_file(name, path)) {
		sys_format(why, len,
			   "unknown provider; correct the name, or install its "
			   "module");
		return -ENOENT;
	}
	err = sys_module_open(path, "uhmm_module", &symbol, why, len);
	return err ? err : use_module(symbol, name, why, len);
}

int module_load(const char *name, char *why, size_t len)
{
	int err = 0;

	sys_mutex_lock(&loading);
	if (!is_registered(name))
		err = load(name, why, len);
	sys_mutex_unlock(&loading);
	return err;
}

int uhmm_module_load(const char *name, char *why, size_t len)
{
	if (!name || !why || len < 2)
		return -EINVAL;
	return module_load(name, why, len);
}
