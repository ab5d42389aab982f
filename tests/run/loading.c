// SPDX-License-Identifier: MIT
/* Loads a library, named by the argument, and looks at what it has made. */
#include <dlfcn.h>
#include <stdio.h>

#include "loading.h"

int main(int argc, char **argv)
{
	void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	const char *(*data)(void);

	if (!lib)
		return 2;
	*(void **)&data = dlsym(lib, "loading_data");
	for (size_t i = 0; i < LOADING_LEN; i++)
		if (data()[i] != (char)(i / 4096 % 251))
			return 1;
	puts("well");
	return 0;
}
