/* SPDX-License-Identifier: MIT */
/* cgroup.h - the memory limit that the kernel holds us to: cgroup.c */
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
 * Bytes: the least limit of our cgroup and those above it, memory.max and
 * memory.high (v2), memory.limit_in_bytes (v1); 0: none.  @root: what all files
 * lie below, "" but for tests
 */
uint64_t cgroup_limit(const char *root);
/* What of it managed memory may have: whole pages, and never 0 for a limit. */
uint64_t cgroup_share(uint64_t limit);

/* ---- Lines of files, no line break.  False: not what is sought ---------- */

/* Of /proc/self/cgroup: our cgroup, "/" or "/a/b". */
bool cgroup_parse_path(enum cgroup_version version, const char *line,
		       char ret[CGROUP_PATH]);
/*
 * Of /proc/self/mountinfo: where that version is, and which part of it:
 * @ret_part may lead outside of our namespace, as "/..".
 */
bool cgroup_parse_mount(enum cgroup_version version, const char *line,
			char ret_part[CGROUP_PATH], char ret_at[CGROUP_PATH]);
/* Of memory.max: bytes; UINT64_MAX for "max" and for more than there can be. */
bool cgroup_parse_limit(const char *line, uint64_t *ret);

#endif
