// SPDX-License-Identifier: MIT
/*
 * The mappings of the process, as /proc lists them.  The calls that need the
 * list are rare.
 */
#include <fcntl.h>
#include <string.h>

#include "preload.h"

struct walk {
	maps_fn *fn;
	void *arg;
	char line[192]; /* the end of a longer line is dropped */
	size_t len;
};

/* Parse a hexadecimal number and the character @behind that ends it. */
static bool parse_hex(const char **s, char behind, uintptr_t *ret)
{
	const char *p = *s;

	for (*ret = 0; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f');
	     p++)
		*ret = *ret << 4 |
		       (unsigned)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	if (p == *s || *p != behind)
		return false;
	*s = p + 1;
	return true;
}

/* @s: the text after "rwx".  Private, offset 0, no device and inode. */
static bool is_anon(const char *s)
{
	static const char none[] = "p 00000000 00:00 0";

	return !strncmp(s, none, sizeof(none) - 1);
}

/* Parse "start-end rwxp ...". */
static bool parse_mapping(const char *s, struct vma *ret)
{
	*ret = (struct vma){ .prot = 0 };
	if (!parse_hex(&s, '-', &ret->start) || !parse_hex(&s, ' ', &ret->end))
		return false;
	ret->prot |= s[0] == 'r' ? PROT_READ : 0;
	ret->prot |= s[0] && s[1] == 'w' ? PROT_WRITE : 0;
	ret->prot |= s[0] && s[1] && s[2] == 'x' ? PROT_EXEC : 0;
	ret->anon = s[0] && s[1] && s[2] && is_anon(s + 3);
	return true;
}

static void end_line(struct walk *w)
{
	struct vma vma;

	w->line[w->len] = '\0';
	w->len = 0;
	if (parse_mapping(w->line, &vma))
		w->fn(&vma, w->arg);
}

static void take_text(struct walk *w, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			end_line(w);
		else if (w->len < sizeof(w->line) - 1)
			w->line[w->len++] = text[i];
	}
}

int maps_walk(maps_fn *fn, void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };
	int fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text, sizeof(text))) > 0)
		take_text(&w, text, (size_t)n);
	close(fd);
	return n < 0 ? -errno : 0;
}

static void touch_vma(const struct vma *vma, void *arg)
{
	const struct range *r = arg;
	uintptr_t at = vma->start > r->start ? vma->start : r->start;
	uintptr_t end = vma->end < r->end ? vma->end : r->end;

	for (; at < end; at += PAGE)
		if (vma->prot & PROT_WRITE)
			atomic_fetch_add((_Atomic char *)at, 0);
		else if (vma->prot & PROT_READ)
			(void)*(volatile char *)at;
}

void maps_touch(struct range range)
{
	maps_walk(touch_vma, &range);
}
