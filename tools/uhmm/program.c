// SPDX-License-Identifier: MIT
/*
 * Find a program as execvp(3) does, and before it starts say why it could not
 * be served.  A program that ignores the preload library would run without its
 * limit, and the user would not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tool.h"

#define MAX_SCRIPTS 4 /* a script with a script as its interpreter ... */

struct answer {
	char *why;
	size_t len;
};

__attribute__((format(printf, 3, 4))) static int
refuse(const struct answer *a, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->why, a->len, fmt, ap);
	va_end(ap);
	return status;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/*
 * Walk PATH.  True: @path is executable.  False: @path is the first file of
 * that name, which is not executable.
 */
static bool search(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	char first[PATH_MAX] = "";

	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(dirs, ":");
		int n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, dirs,
				 len ? "/" : "", name);

		if (n < PATH_MAX && is_program(path))
			return true;
		if (n < PATH_MAX && !*first && access(path, F_OK) == 0)
			strcpy(first, path);
		if (!dirs[len])
			break;
		dirs += len + 1;
	}
	strcpy(path, first);
	return false;
}

static int locate(const char *name, char path[PATH_MAX], const struct answer *a)
{
	struct stat st;

	if (!*name)
		return refuse(a, EXIT_NOT_FOUND,
			      "the name of the program is empty; give one");
	if (!strchr(name, '/')) {
		if (search(name, path))
			return 0;
		if (!*path)
			return refuse(a, EXIT_NOT_FOUND,
				      "%s is in no directory of PATH; give "
				      "its path",
				      name);
	} else if ((size_t)snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX ||
		   stat(path, &st) < 0) {
		int err = strlen(name) >= PATH_MAX ? ENAMETOOLONG : errno;

		return refuse(a,
			      err == EACCES ? EXIT_CANNOT_RUN : EXIT_NOT_FOUND,
			      "%s: %s; check the path", name, strerror(err));
	}
	if (is_program(path))
		return 0;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return refuse(a, EXIT_CANNOT_RUN,
			      "%s is a directory; name a program in it", path);
	return refuse(a, EXIT_CANNOT_RUN, "%s is not executable; see chmod(1)",
		      path);
}

/* The dynamic linker ignores LD_PRELOAD for a program that gains privileges. */
static bool gains_rights(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return true;
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) &&
	    st.st_gid != getgid())
		return true;
	return getuid() != 0 &&
	       getxattr(path, "security.capability", NULL, 0) > 0;
}

/* The interpreter after "#!", cut out of @head.  NULL: not a script. */
static const char *script_interpreter(char *head)
{
	char *name;

	if (strncmp(head, "#!", 2) != 0)
		return NULL;
	name = head + 2 + strspn(head + 2, " \t");
	name[strcspn(name, " \t\r\n")] = '\0';
	return name;
}

static bool read_head(const char *path, char *head, size_t len, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, head, len - 1);
	close(fd);
	if (n < 0)
		return false;
	head[n] = '\0';
	*ret_len = (size_t)n;
	return true;
}

static int check_elf(const char *path, enum elf_kind kind,
		     const struct answer *a)
{
	switch (kind) {
	case ELF_FOREIGN:
		return refuse(a, EXIT_OURS,
			      "%s is built for another machine; use a build "
			      "for this one",
			      path);
	case ELF_STATIC:
		return refuse(a, EXIT_OURS,
			      "%s is linked statically, so nothing can be "
			      "preloaded; link it dynamically",
			      path);
	case ELF_LIBC:
		return refuse(a, EXIT_OURS,
			      "%s uses another C library than uhmm; use a "
			      "build for this system's",
			      path);
	case ELF_SANITIZER:
		return refuse(a, EXIT_OURS,
			      "%s is built with a sanitizer, which needs its "
			      "own malloc; build it without",
			      path);
	case ELF_OK:
		return 0;
	default:
		return refuse(a, EXIT_CANNOT_RUN,
			      "%s is a damaged program; install it again",
			      path);
	}
}

/* Neither ELF nor "#!": execvp(3) gives a text file to the shell. */
static int check_text(const char *path, const char *head, size_t len,
		      const struct answer *a)
{
	if (memchr(head, '\0', len))
		return refuse(a, EXIT_CANNOT_RUN,
			      "%s is neither a program nor a script; see "
			      "file(1)",
			      path);
	return 0;
}

static int check_file(const char *path, int depth, const struct answer *a)
{
	enum elf_kind kind;
	char head[256];
	const char *interpreter;
	size_t len;

	if (gains_rights(path))
		return refuse(a, EXIT_OURS,
			      "%s is setuid, setgid or has capabilities, so "
			      "nothing can be preloaded; run it without uhmm",
			      path);
	if (!read_head(path, head, sizeof(head), &len))
		return refuse(a, EXIT_OURS,
			      "%s cannot be read, so it cannot be checked; "
			      "ask for read permission",
			      path);
	kind = elf_examine(path);
	if (kind != ELF_NOT && len >= 4 && memcmp(head, "\177ELF", 4) == 0)
		return check_elf(path, kind, a);
	interpreter = script_interpreter(head);
	if (!interpreter)
		return check_text(path, head, len, a);
	if (!is_program(interpreter) || depth == MAX_SCRIPTS)
		return refuse(a, EXIT_CANNOT_RUN,
			      "%s: its interpreter %s cannot be run; install "
			      "it or mend the first line",
			      path, interpreter);
	return check_file(interpreter, depth + 1, a);
}

int program_check(const char *name, char *why, size_t len)
{
	const struct answer a = { why, len };
	char path[PATH_MAX];
	int status = locate(name, path, &a);

	return status ? status : check_file(path, 0, &a);
}
