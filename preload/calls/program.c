// SPDX-License-Identifier: MIT
/*
 * Starting programs.  The kernel reads the names, arguments and environment;
 * for posix_spawn(3) it does so in a child that shares our memory.
 */
#include <alloca.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls/calls.h"

typedef char *const *vector;

/* Bring home the path, the arguments and the environment. */
static bool again(unsigned n, const char *path, vector argv, vector envp)
{
	bool some = calls_again(n, BUFS(STR(path)));

	some = calls_again_vector(n, argv) || some;
	return calls_again_vector(n, envp) || some;
}

#define EXEC(failed, name, params, args, path, argv, envp, ...)               \
	FIND(name);                                                           \
	EXPORT int name params                                                \
	{                                                                     \
		__VA_ARGS__;                                                  \
		int ret = REAL(name) args;                                    \
                                                                              \
		for (unsigned n = 0; n < MAX_EXEC && unlikely(failed(ret)) && \
				     again(n, path, argv, envp);              \
		     n++)                                                     \
			ret = REAL(name) args;                                \
		return ret;                                                   \
	}

#define MAX_EXEC 8

EXEC(IS_MINUS_1, execve, (const char *path, vector argv, vector envp),
     (path, argv, envp), path, argv, envp)
EXEC(IS_MINUS_1, fexecve, (int fd, vector argv, vector envp), (fd, argv, envp),
     NULL, argv, envp)
EXEC(IS_MINUS_1, execveat,
     (int dir, const char *path, vector argv, vector envp, int flags),
     (dir, path, argv, envp, flags), path, argv, envp)
EXEC(IS_MINUS_1, execv, (const char *path, vector argv), (path, argv), path,
     argv, environ)
EXEC(IS_MINUS_1, execvp, (const char *path, vector argv), (path, argv), path,
     argv, environ)
EXEC(IS_MINUS_1, execvpe, (const char *path, vector argv, vector envp),
     (path, argv, envp), path, argv, envp)
static size_t size_of_vector(vector v)
{
	size_t n = 1;

	for (; v && *v; v++)
		n++;
	return n * sizeof(*v);
}

/*
 * Parent and child touch these arguments while all signals are blocked, so
 * inline mode could serve no fault.
 */
#define SPAWN(name)                                                        \
	EXEC(IS_ERROR, name,                                               \
	     (pid_t * ret_pid, const char *path,                           \
	      const posix_spawn_file_actions_t *actions,                   \
	      const posix_spawnattr_t *attr, vector argv, vector envp),    \
	     (ret_pid, path, actions, attr, argv, envp), path, argv, envp, \
	     HOLD(RES(ret_pid), STR(path), ARG(actions), ARG(attr),        \
		  IN(argv, size_of_vector(argv)),                          \
		  IN(envp, size_of_vector(envp))))

SPAWN(posix_spawn)
SPAWN(posix_spawnp)

/* ---- Arguments one by one ---------------------------------------------- */

/* The number of arguments from @first on before the NULL. */
#define COUNT(n, first)                                   \
	do {                                              \
		const char *arg_ = first;                 \
		va_list ap_;                              \
                                                          \
		va_start(ap_, first);                     \
		for (n = 0; arg_; n++)                    \
			arg_ = va_arg(ap_, const char *); \
		va_end(ap_);                              \
	} while (0)

#define COLLECT(argv, n, first, ap)                    \
	do {                                           \
		argv[0] = (char *)first;               \
		for (size_t i_ = 1; i_ <= n; i_++)     \
			argv[i_] = va_arg(ap, char *); \
	} while (0)

#define EXECL(name, via)                                          \
	EXPORT int name(const char *path, const char *first, ...) \
	{                                                         \
		char **argv;                                      \
		va_list ap;                                       \
		size_t n;                                         \
                                                                  \
		COUNT(n, first);                                  \
		argv = alloca((n + 1) * sizeof(*argv));           \
		va_start(ap, first);                              \
		COLLECT(argv, n, first, ap);                      \
		va_end(ap);                                       \
		return via(path, argv);                           \
	}

EXECL(execl, execv)
EXECL(execlp, execvp)

EXPORT int execle(const char *path, const char *first, ...)
{
	char **argv;
	vector envp;
	va_list ap;
	size_t n;

	COUNT(n, first);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, first);
	COLLECT(argv, n, first, ap);
	envp = va_arg(ap, vector);
	va_end(ap);
	return execve(path, argv, envp);
}

/* ---- By the shell ------------------------------------------------------ */

/* system() does not report EFAULT, so the command is pinned first. */
FIND(system);
EXPORT int system(const char *command)
{
	HOLD(IN(command, command ? strlen(command) + 1 : 0));
	return REAL(system)(command);
}

FIND(popen);
EXPORT FILE *popen(const char *command, const char *type)
{
	HOLD(IN(command, command ? strlen(command) + 1 : 0));
	return REAL(popen)(command, type);
}
