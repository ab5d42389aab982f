// SPDX-License-Identifier: MIT
/*
 * A library that is loaded with RTLD_DEEPBIND, as PHP does with its extensions:
 * its calls go to the C library, past what is in front of that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "others.h"

extern struct others others;

static void take(char *p)
{
	free(p);
}

static char *grow(char *p, size_t n)
{
	return realloc(p, n);
}

static char *give(const char *s)
{
	char *p;

	return asprintf(&p, "%s", s) < 0 ? NULL : p;
}

static char *line(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p = NULL;
	size_t room = 0;

	if (!f || getline(&p, &room, f) < 0)
		return NULL;
	fclose(f);
	return p;
}

static char *load(const char *path, size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(path, O_RDONLY);
	size_t done = 0;
	ssize_t n = 1;

	while (p != MAP_FAILED && done < len && n > 0) {
		n = read(fd, p + done, len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return done == len ? p : NULL;
}

__attribute__((constructor)) static void begin(void)
{
	char *copy = strdup("copied");

	others.kept = realloc(copy, 64);
	copy = realpath("/", NULL);
	free(copy);
}

__attribute__((visibility("default"))) struct others others = {
	.take = take,
	.grow = grow,
	.give = give,
	.line = line,
	.load = load,
};
