/* SPDX-License-Identifier: MIT */
/* module.c - see module.h */
#include "sys/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "sys/fail.h"
#include "sys/sys.h"

static void save_signals(struct sigaction *ret)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (sigaction(sig, NULL, &ret[sig]))
			memset(&ret[sig], 0, sizeof(ret[sig]));
}

/*
 * Restore only what the module changed: another thread of the program may be
 * setting its own handlers meanwhile.
 */
static void restore_signals(const struct sigaction *saved)
{
	struct sigaction now;

	for (int sig = 1; sig < NSIG; sig++) {
		if (sigaction(sig, NULL, &now) ||
		    (now.sa_sigaction == saved[sig].sa_sigaction &&
		     now.sa_flags == saved[sig].sa_flags))
			continue;
		(void)sigaction(sig, &saved[sig], NULL);
	}
}

static int open_library(const char *path, const char *symbol, void **ret_symbol,
			char *why, size_t len)
{
	void *library, *found;

	if (sys_should_fail("dlopen"))
		library = NULL;
	else
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library) {
		const char *text = dlerror();

		sys_format(why, len,
			   "%s; rebuild the module, or install it with the "
			   "libraries that it needs",
			   text ? text : "the module cannot be loaded");
		return -ENODEV;
	}
	found = dlsym(library, symbol);
	if (!found) {
		sys_format(why, len,
			   "%s is no module of uhmm; remove it, or rebuild it "
			   "with a symbol uhmm_module",
			   path);
		dlclose(library);
		return -ENOEXEC;
	}
	*ret_symbol = found;
	return 0;
}

int sys_module_open(const char *path, const char *symbol, void **ret_symbol,
		    char *why, size_t len)
{
	struct sigaction saved[NSIG];
	int saved_errno = errno, err;

	save_signals(saved);
	err = open_library(path, symbol, ret_symbol, why, len);
	restore_signals(saved);
	errno = saved_errno;
	return err;
}

bool sys_module_exists(const char *path)
{
	int saved = errno;
	bool exists = !access(path, R_OK);

	errno = saved;
	return exists;
}
