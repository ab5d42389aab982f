// SPDX-License-Identifier: MIT
/* The process that a command is about: its number, and does our user own it? */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stat.h"
#include "tool.h"

bool stat_may_ask(const char *command, pid_t pid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st)) {
		complain(command, "there is no process %d; see ps(1)",
			 (int)pid);
		return false;
	}
	if (st.st_uid == geteuid())
		return true;
	complain(command,
		 "process %d is not yours; ask as the user that runs it",
		 (int)pid);
	return false;
}

bool stat_parse_pid(const char *command, const char *arg, pid_t *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(arg, &end, 10);
	*ret = (pid_t)v;
	if (!errno && *arg >= '0' && *arg <= '9' && !*end && v > 0 &&
	    v <= INT_MAX)
		return true;
	complain(command, "%s is no number of a process; see ps(1)", arg);
	return false;
}
