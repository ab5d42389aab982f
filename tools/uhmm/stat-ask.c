// SPDX-License-Identifier: MIT
/*
 * Finds the sockets of a process, and reads its answers.
 *
 * A peer is believed only if it runs as our user and is the process asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stat.h"

#define MOST (64u << 20) /* bytes of an answer */

/*
 * The folders that core/report/stat_socket.c may have chosen; the environment
 * of that process may differ from ours.
 */
static bool folder(unsigned n, char *ret, size_t len)
{
	const char *run = secure_getenv("XDG_RUNTIME_DIR");
	int got = 0;

	switch (n) {
	case 0:
		if (run && *run == '/')
			got = snprintf(ret, len, "%s/uhmm", run);
		else
			*ret = '\0';
		return got < (int)len;
	case 1:
		snprintf(ret, len, "/run/user/%u/uhmm", geteuid());
		return true;
	case 2:
		snprintf(ret, len, "/tmp/uhmm-%u", geteuid());
		return true;
	default:
		return false;
	}
}

/* Connect within a second. */
static int connect_to(const char *path)
{
	const struct timeval timeout = { .tv_sec = 5 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool is_the_one(int fd, pid_t pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.uid == geteuid() && cred.pid == pid;
}

static int find_context(pid_t pid, unsigned n)
{
	char dir[96], path[128];

	for (unsigned i = 0; folder(i, dir, sizeof(dir)); i++) {
		int fd;

		if (!*dir)
			continue;
		snprintf(path, sizeof(path), "%s/%d-%u", dir, (int)pid, n);
		fd = connect_to(path);
		if (fd >= 0 && is_the_one(fd, pid))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

/* All bytes up to the end, with a NUL; NULL: the answer is incomplete. */
static char *read_all(int fd)
{
	size_t len = 0, room = 0;
	char *text = NULL;

	for (;;) {
		ssize_t n;

		if (len + 1 >= room) {
			char *more = NULL;

			room = room ? room * 2 : 65536;
			if (room <= MOST)
				more = realloc(text, room);
			if (!more)
				break;
			text = more;
		}
		n = recv(fd, text + len, room - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
		if (n == 0)
			return text;
	}
	free(text);
	return NULL;
}

static enum stat_answer ask(pid_t pid, unsigned n, const char *request,
			    char **ret_text)
{
	ssize_t len = (ssize_t)strlen(request);
	int fd = find_context(pid, n);
	char *text = NULL;

	if (fd < 0)
		return STAT_NONE;
	if (send(fd, request, (size_t)len, MSG_NOSIGNAL) == len)
		text = read_all(fd);
	close(fd);
	if (!text)
		return STAT_BROKEN;
	*ret_text = text;
	return STAT_OK;
}

enum stat_answer stat_ask_all(pid_t pid, const char *request,
			      struct json_object *list)
{
	enum stat_answer answer = STAT_OK;
	unsigned misses = 0;

	/* closed contexts leave gaps in the numbers */
	for (unsigned n = 0; misses < 64; n++) {
		struct json_object *o;
		char *text;

		answer = ask(pid, n, request, &text);
		if (answer == STAT_BROKEN)
			return answer;
		misses = answer == STAT_NONE ? misses + 1 : 0;
		if (misses)
			continue;
		o = stat_parse(text);
		free(text);
		if (!o)
			return STAT_BROKEN;
		json_object_array_add(list, o);
	}
	return json_object_array_length(list) ? STAT_OK : STAT_NONE;
}

/*
 * A process that kill(2) does not find may live in another PID namespace, so
 * remove its socket only if nobody listens.
 */
static void sweep_one(const char *dir, const char *name)
{
	char path[512], *end;
	long pid = strtol(name, &end, 10);
	int fd;

	if (pid <= 0 || *end != '-' || kill((pid_t)pid, 0) == 0 ||
	    errno != ESRCH)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	errno = 0;
	fd = connect_to(path);
	if (fd >= 0)
		close(fd);
	else if (errno == ECONNREFUSED)
		unlink(path);
}

void stat_sweep(void)
{
	char dir[96];

	for (unsigned i = 0; folder(i, dir, sizeof(dir)); i++) {
		DIR *d = *dir ? opendir(dir) : NULL;
		struct dirent *e;

		while (d && (e = readdir(d)))
			sweep_one(dir, e->d_name);
		if (d)
			closedir(d);
	}
}
