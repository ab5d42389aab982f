// SPDX-License-Identifier: MIT
/*
 * The version of the library that runs, which may be newer than the headers
 * that its user was built with.
 */
#include <uhmm/uhmm.h>

uint32_t uhmm_version(void)
{
	return UHMM_VERSION_MAJOR << 16 | UHMM_VERSION_MINOR << 8 |
	       UHMM_VERSION_PATCH;
}
