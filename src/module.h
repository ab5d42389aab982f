/* SPDX-License-Identifier: MIT */
/*
 * module.h - providers that are libraries of their own.
 */
#ifndef UHMM_MODULE_H
#define UHMM_MODULE_H

#include <stddef.h>

#define MODULE_WHY 512 /* bytes for a sentence */

/*
 * Load the module that has provider @name, if there is one, and register it.
 * Return: as uhmm_module_load().
 */
int module_load(const char *name, char *why, size_t len);

#endif
