// SPDX-License-Identifier: MIT
/*
 * The file by which the processes of a command share their limit.
 *
 * The first process removes the file when it ends, unless other processes,
 * daemons say, still run.  Files that stayed behind are removed here, if they
 * are an hour old and no process is a member.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <uhmm/budget.h>

#include "run.h"

#define PREFIX "uhmm-budget."
#define LONG   (60 * 60) /* seconds */

static const char *const folders[] = { "/dev/shm", "/tmp" };

static bool is_old(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && time(NULL) - st.st_ctime > LONG;
}

static void remove_left(const char *path)
{
	struct uhmm_budget_info info = { .size = sizeof(info) };
	struct uhmm_budget *b;

	if (!is_old(path) || uhmm_budget_attach(path, &b))
		return;
	if (!uhmm_budget_query(b, &info) && !info.members)
		unlink(path);
	uhmm_budget_detach(b);
}

static void sweep(const char *folder)
{
	DIR *dir = opendir(folder);
	char path[RUN_BUDGET_PATH];
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, PREFIX, strlen(PREFIX)) &&
		    snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) <
			    (int)sizeof(path))
			remove_left(path);
	if (dir)
		closedir(dir);
}

static int make(const char *folder, uint64_t bytes, char path[RUN_BUDGET_PATH])
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -errno;
	snprintf(path, RUN_BUDGET_PATH, "%s/" PREFIX "%d.%016jx", folder,
		 (int)getpid(), (uintmax_t)number);
	return uhmm_budget_create(path, bytes);
}

int run_make_budget(uint64_t bytes, char path[RUN_BUDGET_PATH])
{
	int err = -ENOENT;

	for (size_t i = 0; err && i < sizeof(folders) / sizeof(*folders); i++) {
		sweep(folders[i]);
		err = make(folders[i], bytes, path);
	}
	return err;
}
