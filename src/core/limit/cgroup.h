/* SPDX-License-Identifier: MIT */
/* cgroup.h - the kernel's memory limit for this process: cgroup.c */
#ifndef UHMM_LIMIT_CGROUP_H
#define UHMM_LIMIT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH 2048 /* bytes, with the final NUL */

enum cgroup_version {
	CGROUP_V2,
	CGROUP_V1, /* of the memory controller */
};

/*
 * The lowest limit, in bytes, of this process's cgroup and the cgroups above
 * it: memory.max and memory.high (v2), memory.limit_in_bytes (v1); 0: no limit.
 * @root: prefix of all file names, "" except in tests
 */
uint64_t cgroup_limit(const char *root);
/*
 * The part of @limit that managed memory may have: whole pages, and never 0 for
 * a limit.
 */
uint64_t cgroup_share(uint64_t limit);

/* ---- Lines of files, without line break.  False: another kind of line ---- */

/* A line of /proc/self/cgroup: the process's cgroup, "/" or "/a/b". */
bool cgroup_parse_path(enum cgroup_version version, const char *line,
		       char ret[CGROUP_PATH]);
/*
 * A line of /proc/self/mountinfo: where cgroups of @version are mounted, and
 * which part of the tree.  @ret_part may lead out of the process's namespace,
 * as "/..".
 */
bool cgroup_parse_mount(enum cgroup_version version, const char *line,
			char ret_part[CGROUP_PATH], char ret_at[CGROUP_PATH]);
/* A line of memory.max, in bytes; UINT64_MAX for "max" and for huge numbers. */
bool cgroup_parse_limit(const char *line, uint64_t *ret);

#endif
