// SPDX-License-Identifier: MIT
/* The version is the project's, and not zero. */
#include <uhmm/uhmm.h>

int main(void)
{
	return uhmm_version() >= 0x000100 ? 0 : 1;
}
