/* SPDX-License-Identifier: MIT */
/*
 * vma.c - the program's mappings, from /proc/self/maps.
 *
 * The kernel's driver looks at them before it migrates; what it refuses there
 * uhmm would partly do.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmirror.h"

/**
 * struct maps - a reader of lines
 * @pos, @len: what of @buf was not read yet
 */
struct maps {
	int fd;
	size_t pos, len;
	char buf[8192];
};

/* A line without its newline, or NULL at the end. */
static char *next_line(struct maps *m)
{
	for (;;) {
		char *line = m->buf + m->pos;
		char *end = memchr(line, '\n', m->len - m->pos);
		long n;

		if (end) {
			*end = '\0';
			m->pos = (size_t)(end - m->buf) + 1;
			return line;
		}
		m->len -= m->pos;
		memmove(m->buf, line, m->len);
		m->pos = 0;
		if (m->len == sizeof(m->buf))
			return NULL;
		n = syscall(SYS_read, m->fd, m->buf + m->len,
			    sizeof(m->buf) - m->len);
		if (n <= 0)
			return NULL;
		m->len += (size_t)n;
	}
}

static uintptr_t parse_hex(char **s)
{
	uintptr_t v = 0;

	for (;; (*s)++) {
		if (**s >= '0' && **s <= '9')
			v = v << 4 | (uintptr_t)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			v = v << 4 | (uintptr_t)(**s - 'a' + 10);
		else
			return v;
	}
}

/* After @n fields of those that spaces end. */
static char *skip_fields(char *s, int n)
{
	while (n--) {
		s += strcspn(s, " ");
		s += strspn(s, " ");
	}
	return s;
}

/* "start-end rwxp offset major:minor inode path" */
static void parse(char *line, struct vma *ret)
{
	char *path = skip_fields(line, 5), *perms, *inode;

	*ret = (struct vma){ .start = parse_hex(&line) };
	line++;
	ret->end = parse_hex(&line);
	perms = ++line;
	inode = skip_fields(perms, 3);
	ret->prot = (perms[0] == 'r' ? PROT_READ : 0) |
		    (perms[1] == 'w' ? PROT_WRITE : 0) |
		    (perms[2] == 'x' ? PROT_EXEC : 0);
	ret->shared = perms[3] == 's';
	ret->anon = !ret->shared && *inode == '0' && inode[1] == ' ';
	ret->special = !strncmp(path, "[v", 2) ||
		       !strncmp(path, "/anon_hugepage", 14);
}

static int walk(struct maps *m, uintptr_t start, uintptr_t end, vma_fn *fn,
		void *arg)
{
	char *line;

	while (start < end && (line = next_line(m))) {
		uintptr_t last;
		struct vma v;
		int err;

		parse(line, &v);
		if (v.end <= start)
			continue;
		if (v.start > start || !(v.prot & PROT_READ) || v.special)
			return -EINVAL;
		last = v.end < end ? v.end : end;
		err = fn(arg, &v, start, last);
		if (err)
			return err;
		start = last;
	}
	return start < end ? -EINVAL : 0;
}

int vma_walk(uintptr_t start, uintptr_t end, vma_fn *fn, void *arg)
{
	struct maps m = { .pos = 0 };
	int err;

	m.fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps",
			    O_RDONLY | O_CLOEXEC);
	if (m.fd < 0)
		return -errno;
	err = walk(&m, start, end, fn, arg);
	syscall(SYS_close, m.fd);
	return err;
}
