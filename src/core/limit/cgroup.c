/* SPDX-License-Identifier: MIT */
/*
 * cgroup.c - the lowest memory limit of the cgroups of this process.
 *
 * The limit is read once, without allocation.  A file that cannot be read
 * counts as no limit.  Both versions of cgroups are read, because the memory
 * controller may be in either.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/limit/cgroup.h"
#include "sys/kernel.h"

#define LEAST_MARGIN (UINT64_C(16) << 20)
#define MOST_BYTES   (UINT64_C(1) << 62) /* v1 has a number for "max" */

/* ---- Words ------------------------------------------------------------ */

/*
 * Decode the blank separated word at *@at into @ret, and move *@at behind it.
 */
static bool take_text_word(const char **at, char ret[CGROUP_PATH])
{
	const char *p = *at;
	size_t n = 0;

	while (*p && *p != ' ' && n + 1 < CGROUP_PATH) {
		bool is_octal = p[0] == '\\' && p[1] >= '0' && p[1] <= '3' &&
				p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
				p[3] <= '7';

		if (is_octal) {
			ret[n++] = (char)((p[1] - '0') << 6 |
					  (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			ret[n++] = *p++;
		}
	}
	ret[n] = '\0';
	if (*p == ' ')
		p++;
	else if (*p)
		return false;
	*at = p;
	return n > 0;
}

/* Has the path a ".." part?  Such a path leads out of the visible tree. */
static bool leads_out(const char *path)
{
	for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/.."))
		if (p[3] == '/' || !p[3])
			return true;
	return false;
}

/*
 * Is "memory" in the comma separated @list, which ends at the first of @ends?
 */
static bool has_memory(const char *list, const char *ends)
{
	static const char word[] = "memory";
	const size_t len = sizeof(word) - 1;

	for (;;) {
		size_t n = strcspn(list, ends);
		const char *comma = memchr(list, ',', n);

		n = comma ? (size_t)(comma - list) : n;
		if (n == len && !strncmp(list, word, len))
			return true;
		if (!comma)
			return false;
		list = comma + 1;
	}
}

/* In "4:cpu,memory:/a/b": where the path begins, or NULL. */
static const char *path_of_v1(const char *line)
{
	const char *list = strchr(line, ':');
	const char *end = list ? strchr(list + 1, ':') : NULL;

	return end && end[1] == '/' && has_memory(list + 1, ":") ? end + 1 :
								   NULL;
}

bool cgroup_parse_path(enum cgroup_version version, const char *line,
		       char ret[CGROUP_PATH])
{
	size_t len;

	if (version == CGROUP_V1)
		line = path_of_v1(line);
	else
		line = strncmp(line, "0::/", 4) ? NULL : line + 3;
	if (!line)
		return false;
	len = strlen(line);
	if (len >= CGROUP_PATH || leads_out(line))
		return false;
	memcpy(ret, line, len + 1);
	return true;
}

/* @p: the rest of the line behind " - ": file system type, source, options. */
static bool is_version(enum cgroup_version version, const char *p)
{
	char word[CGROUP_PATH];

	if (!take_text_word(&p, word))
		return false;
	if (version == CGROUP_V2)
		return !strcmp(word, "cgroup2");
	return !strcmp(word, "cgroup") && take_text_word(&p, word) &&
	       has_memory(p, " ");
}

bool cgroup_parse_mount(enum cgroup_version version, const char *line,
			char ret_part[CGROUP_PATH], char ret_at[CGROUP_PATH])
{
	char part[CGROUP_PATH], at[CGROUP_PATH], word[CGROUP_PATH];
	const char *p = line;

	for (int i = 0; i < 3; i++)
		if (!take_text_word(&p, word))
			return false;
	if (!take_text_word(&p, part) || !take_text_word(&p, at))
		return false;
	do {
		if (!take_text_word(&p, word))
			return false;
	} while (strcmp(word, "-"));
	if (!is_version(version, p))
		return false;
	if (*part != '/' || *at != '/')
		return false;
	memcpy(ret_part, part, sizeof(part));
	memcpy(ret_at, at, sizeof(at));
	return true;
}

bool cgroup_parse_limit(const char *line, uint64_t *ret)
{
	uint64_t v = 0;

	if (!strcmp(line, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	if (!*line)
		return false;
	for (; *line >= '0' && *line <= '9'; line++) {
		unsigned digit = (unsigned)(*line - '0');

		v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
	}
	if (*line)
		return false;
	*ret = v < MOST_BYTES ? v : UINT64_MAX;
	return true;
}

/* ---- Files, by lines -------------------------------------------------- */

struct cgroup_reader {
	int fd;
	size_t len, at;
	char buf[3 * CGROUP_PATH];
};

static bool fill_reader(struct cgroup_reader *r)
{
	ssize_t n;

	memmove(r->buf, r->buf + r->at, r->len - r->at);
	r->len -= r->at;
	r->at = 0;
	n = sys_read(r->fd, r->buf + r->len, sizeof(r->buf) - 1 - r->len);
	if (n > 0)
		r->len += (size_t)n;
	return n > 0;
}

/* The next line, or NULL.  A line that is too long is returned in parts. */
static const char *next_line(struct cgroup_reader *r)
{
	char *line, *end;
	bool more = true;

	for (;;) {
		line = r->buf + r->at;
		end = memchr(line, '\n', r->len - r->at);
		if (end || !more || r->len - r->at == sizeof(r->buf) - 1)
			break;
		more = fill_reader(r);
	}
	if (!end && r->at == r->len)
		return NULL;
	if (!end)
		end = r->buf + r->len;
	*end = '\0';
	r->at = (size_t)(end - r->buf) + 1;
	if (r->at > r->len)
		r->at = r->len;
	return line;
}

static bool open_file(struct cgroup_reader *r, const char *root,
		      const char *path)
{
	char full[3 * CGROUP_PATH];

	sys_format(full, sizeof(full), "%s%s", root, path);
	r->len = r->at = 0;
	r->fd = sys_open(full, 0);
	return r->fd >= 0;
}

static bool find_cgroup_path(struct cgroup_reader *r, const char *root,
			     enum cgroup_version version, char *ret)
{
	const char *line;
	bool found = false;

	if (!open_file(r, root, "/proc/thread-self/cgroup"))
		return false;
	while (!found && (line = next_line(r)))
		found = cgroup_parse_path(version, line, ret);
	sys_close(r->fd);
	return found;
}

static bool find_mount(struct cgroup_reader *r, const char *root,
		       enum cgroup_version version, char *ret_part,
		       char *ret_at)
{
	const char *line;
	bool found = false;

	if (!open_file(r, root, "/proc/thread-self/mountinfo"))
		return false;
	while (!found && (line = next_line(r)))
		found = cgroup_parse_mount(version, line, ret_part, ret_at);
	sys_close(r->fd);
	return found;
}

/* ---- The limit -------------------------------------------------------- */

static uint64_t read_limit(struct cgroup_reader *r, const char *root,
			   const char *dir, const char *file)
{
	char path[2 * CGROUP_PATH];
	uint64_t v = UINT64_MAX;
	const char *line;

	sys_format(path, sizeof(path), "%s/%s", dir, file);
	if (!open_file(r, root, path))
		return v;
	line = next_line(r);
	if (line && !cgroup_parse_limit(line, &v))
		v = UINT64_MAX;
	sys_close(r->fd);
	return v;
}

/*
 * The part of @path below the mounted @part, if only a part of the tree is
 * mounted.
 */
static const char *below_mount(const char *path, const char *part)
{
	size_t len = strlen(part);

	if (!strcmp(part, "/"))
		return path;
	if (!strncmp(path, part, len) && (path[len] == '/' || !path[len]))
		return path + len;
	return leads_out(part) ? path : "";
}

/* The lowest limit from @dir up to the directory of its first @top bytes. */
static uint64_t least_limit(struct cgroup_reader *r, const char *root,
			    enum cgroup_version version, char *dir, size_t top)
{
	static const char *const files[][2] = {
		[CGROUP_V2] = { "memory.max", "memory.high" },
		[CGROUP_V1] = { "memory.limit_in_bytes" },
	};
	uint64_t least = UINT64_MAX;

	for (;;) {
		char *slash = strrchr(dir, '/');

		for (int i = 0; i < 2 && files[version][i]; i++) {
			uint64_t v =
				read_limit(r, root, dir, files[version][i]);

			least = v < least ? v : least;
		}
		if (!slash || slash < dir + top)
			return least;
		*slash = '\0';
	}
}

/* UINT64_MAX: none */
static uint64_t cgroup_limit_of(const char *root, enum cgroup_version version)
{
	char path[CGROUP_PATH], part[CGROUP_PATH], at[CGROUP_PATH];
	char dir[2 * CGROUP_PATH];
	struct cgroup_reader r;
	size_t end;

	if (!find_cgroup_path(&r, root, version, path) ||
	    !find_mount(&r, root, version, part, at))
		return UINT64_MAX;
	if (!strcmp(at, "/"))
		*at = '\0';
	end = sys_format(dir, sizeof(dir), "%s%s", at, below_mount(path, part));
	while (end > strlen(at) && dir[end - 1] == '/')
		dir[--end] = '\0';
	return least_limit(&r, root, version, dir, strlen(at));
}

uint64_t cgroup_limit(const char *root)
{
	uint64_t v1 = cgroup_limit_of(root, CGROUP_V1);
	uint64_t v2 = cgroup_limit_of(root, CGROUP_V2);
	uint64_t least = v1 < v2 ? v1 : v2;

	return least == UINT64_MAX ? 0 : least;
}

/*
 * The rest of the limit is for code, stacks, and RAM that the library does not
 * count.
 */
uint64_t cgroup_share(uint64_t limit)
{
	uint64_t margin = limit / 8;

	if (!limit)
		return 0;
	if (margin < LEAST_MARGIN)
		margin = LEAST_MARGIN;
	if (margin > limit / 2)
		margin = limit / 2;
	limit = (limit - margin) & ~(uint64_t)(MM_PAGE_SIZE - 1);
	return limit ? limit : MM_PAGE_SIZE;
}

uint64_t uhmm_cgroup_limit(void)
{
	return cgroup_share(cgroup_limit(""));
}
