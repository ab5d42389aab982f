/* SPDX-License-Identifier: MIT */
/* others.h - between others.c and the library that it loads. */
#ifndef OTHERS_H
#define OTHERS_H

#include <stddef.h>

struct others {
	/* A block of the program's, which the library frees, or lets grow. */
	void (*take)(char *p);
	char *(*grow)(char *p, size_t n);
	/* Blocks of the library's, which the program frees. */
	char *(*give)(const char *s);
	char *(*line)(const char *path);
	/* Memory that the library maps, and reads a file into. */
	char *(*load)(const char *path, size_t len);
	/* A block of the constructor, which freed one of libc's, too. */
	char *kept;
};

#endif
