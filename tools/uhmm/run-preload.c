// SPDX-License-Identifier: MIT
/* Finds the library that "uhmm run" preloads, and tries whether that works. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "tool.h"

static const char name[] = "run";

/* The path of @tail, relative to the directory of this tool. */
static bool beside_tool(const char *tail, char path[PATH_MAX])
{
	char exe[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	snprintf(joined, sizeof(joined), "%.*s/%s", (int)(slash - exe), exe,
		 tail);
	return realpath(joined, path);
}

static bool find_library(char path[PATH_MAX])
{
	return beside_tool("../" UHMM_LIBDIR "/uhmm/libuhmm-preload.so",
			   path) ||
	       realpath(UHMM_PRELOAD_PATH, path) ||
	       beside_tool("../../preload/libuhmm-preload.so", path);
}

/* ---- A trial ---- */

/* This tool once more, with the library; what the linker says goes to @fd. */
static void try_to_preload(const char *path, int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (dup2(null, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0 &&
	    !setenv("LD_PRELOAD", path, 1))
		execl("/proc/self/exe", "uhmm", "--version", NULL);
	_exit(EXIT_OURS);
}

/* As much of the text that comes from @fd as there is room for. */
static void read_text(int fd, char *text, size_t len)
{
	char rest[256];
	size_t n = 0;
	ssize_t got;

	do {
		bool has_room = n < len - 1;

		got = read(fd, has_room ? text + n : rest,
			   has_room ? len - 1 - n : sizeof(rest));
		if (got > 0 && has_room)
			n += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	text[n] = '\0';
}

/* The reason that ld.so(8) gives, in parentheses. */
static const char *cause_in(char *text)
{
	char *end, *start = strstr(text, "cannot be preloaded (");

	if (!start)
		return NULL;
	start = strchr(start, '(') + 1;
	end = strrchr(start, ')');
	if (end)
		*end = '\0';
	return start;
}

/*
 * The dynamic linker only warns of a library that it cannot preload.  The
 * program would then run without a limit.
 */
static int check_preloads(const char *path)
{
	char text[2 * PATH_MAX] = "";
	const char *cause;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return 0;
	pid = fork();
	if (pid == 0)
		try_to_preload(path, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		read_text(ends[0], text, sizeof(text));
		waitpid(pid, NULL, 0);
	}
	close(ends[0]);
	cause = cause_in(text);
	if (!cause)
		return 0;
	complain(name,
		 "%s cannot be preloaded: %s; install the package uhmm again",
		 path, cause);
	return EXIT_OURS;
}

int run_find_preload(char path[PATH_MAX])
{
	const char *given = secure_getenv("UHMM_PRELOAD");

	if (given && *given) {
		if (!realpath(given, path)) {
			complain(name,
				 "UHMM_PRELOAD names %s: %s; unset it or "
				 "correct it",
				 given, strerror(errno));
			return EXIT_OURS;
		}
	} else if (!find_library(path)) {
		complain(name, "libuhmm-preload.so is not installed beside "
			       "this tool; name it in UHMM_PRELOAD");
		return EXIT_OURS;
	}
	if (access(path, R_OK) < 0) {
		complain(name, "%s cannot be read: %s; check its mode", path,
			 strerror(errno));
		return EXIT_OURS;
	}
	/* Blanks and colons separate the entries of LD_PRELOAD. */
	if (strpbrk(path, " :")) {
		complain(name,
			 "%s has a blank or a colon in its path, which "
			 "LD_PRELOAD cannot hold; move it",
			 path);
		return EXIT_OURS;
	}
	return check_preloads(path);
}
