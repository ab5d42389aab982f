// SPDX-License-Identifier: MIT
/* The least program of a user: it opens and closes a context, if it may. */
#include <stdio.h>

#include <uhmm/provider.h>

int main(void)
{
	struct uhmm *u;
	uint64_t bytes;

	printf("libuhmm %u\n", (unsigned)uhmm_version());
	if (uhmm_parse_size("64K", &bytes) || bytes != 65536)
		return 1;
	return uhmm_open(NULL, &u) ? 0 : uhmm_close(u) != 0;
}
