/* SPDX-License-Identifier: MIT */
/*
 * module.h - libraries that are loaded on demand.
 *
 * What a module brings along is not ours: some libraries set handlers for
 * SIGSEGV and SIGBUS as they are loaded, which we need for ourselves.  So the
 * signals' dispositions are put back as they were before.
 */
#ifndef UHMM_SYS_MODULE_H
#define UHMM_SYS_MODULE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * (F) Load the library @path, for good, and find @symbol in it.  Allocates.
 * Return: 0; -ENODEV when the library or one that it needs cannot be loaded;
 * -ENOEXEC when the symbol is missing.  @why: one sentence then.
 */
int sys_module_open(const char *path, const char *symbol, void **ret_symbol,
		    char *why, size_t len);
/* Is there a file that we may read? */
bool sys_module_exists(const char *path);

#endif
