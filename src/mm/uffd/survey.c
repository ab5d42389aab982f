/* SPDX-License-Identifier: MIT */
/*
 * survey.c - what is mapped where, by PROCMAP_QUERY (6.11) or by reading
 * /proc/thread-self/maps, without stdio.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mm/uffd/object.h"

enum {
	NAME_LEN = 272, /* the longest name of a memfd fits */
	HOLE_TRIES = 1000,
};

/* Private memory without a file; not what the kernel maps for itself. */
static bool is_anon(bool shared, uint64_t inode, const char *name)
{
	static const char *const usual[] = { "[heap]", "[stack]", "[anon:" };

	if (shared || inode)
		return false;
	if (!*name)
		return true;
	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if (!strncmp(name, usual[i], strlen(usual[i])))
			return true;
	return false;
}

/* mmap(2) with MAP_SHARED and MAP_ANONYMOUS, which has a file of its own. */
static bool is_zero(bool shared, const char *name)
{
	return shared && (!strcmp(name, "/dev/zero (deleted)") ||
			  !strncmp(name, "[anon_shmem:", 12));
}

static bool is_memfd(bool shared, const char *name)
{
	return shared && !strncmp(name, "/memfd:", 7);
}

static unsigned order_of_size(uint64_t page_size)
{
	unsigned order = 0;

	while (page_size > MM_PAGE_SIZE << order)
		order++;
	return order;
}

static int query_vma(const struct uffd *b, uintptr_t addr, struct uffd_vma *ret)
{
	char name[NAME_LEN] = "";
	struct uapi_procmap arg = {
		.size = sizeof(arg),
		.query_flags = UAPI_PROCMAP_OR_NEXT,
		.query_addr = addr,
		.vma_name_size = sizeof(name),
		.vma_name_addr = (uintptr_t)name,
	};
	int err = sys_ioctl("PROCMAP_QUERY", b->maps, UAPI_PROCMAP_QUERY, &arg);

	/* The name does not fit: it is that of a file. */
	if (err == -ENAMETOOLONG) {
		arg.vma_name_size = 0;
		arg.vma_name_addr = 0;
		err = sys_ioctl("PROCMAP_QUERY", b->maps, UAPI_PROCMAP_QUERY,
				&arg);
	}
	if (err)
		return err;
	ret->start = arg.vma_start;
	ret->end = arg.vma_end;
	ret->read = arg.vma_flags & UAPI_PROCMAP_READ;
	ret->write = arg.vma_flags & UAPI_PROCMAP_WRITE;
	ret->exec = arg.vma_flags & UAPI_PROCMAP_EXEC;
	ret->shared = arg.vma_flags & UAPI_PROCMAP_SHARED;
	ret->inode = arg.inode;
	ret->dev = (uint64_t)arg.dev_major << 32 | arg.dev_minor;
	ret->offset = arg.vma_offset;
	ret->zero = is_zero(ret->shared, name);
	ret->memfd = is_memfd(ret->shared, name);
	ret->order = order_of_size(arg.vma_page_size);
	ret->anon =
		is_anon(arg.vma_flags & UAPI_PROCMAP_SHARED, arg.inode, name);
	return 0;
}

/* ---- Reading the text ---- */

/*
 * The text is read through the descriptor that is kept, as the one of a file
 * that is opened for it would be the lowest free one, which a program may
 * count on.  The kernel goes on at the mapping where a read ended only if the
 * next one begins there: so there is one reader at a time.
 */
struct maps_reader {
	const struct uffd *b;
	int fd;
	int err; /* of the last read */
	uint64_t pos;
	size_t have, at;
	char buf[1024];
};

static struct sys_mutex *lock_of_maps(const struct uffd *b)
{
	return &((struct uffd *)b)->maps_lock;
}

/* A child has neither the text of its parent, nor the threads that read it. */
static bool is_kept(const struct maps_reader *r)
{
	return r->fd == r->b->maps;
}

static int open_maps(struct maps_reader *r, const struct uffd *b)
{
	*r = (struct maps_reader){ .b = b };
	r->fd = sys_open("/proc/thread-self/maps", O_RDONLY);
	return r->fd < 0 ? -ENOMEM : 0;
}

static int begin_reading(struct maps_reader *r, const struct uffd *b)
{
	if (b->maps < 0 || atomic_load(&b->dead))
		return open_maps(r, b);
	*r = (struct maps_reader){ .b = b, .fd = b->maps };
	sys_mutex_lock(lock_of_maps(b));
	return 0;
}

static int end_reading(struct maps_reader *r)
{
	if (is_kept(r))
		sys_mutex_unlock(lock_of_maps(r->b));
	else
		sys_close(r->fd);
	return r->err ? -ENOMEM : 0;
}

static int get_char(struct maps_reader *r)
{
	if (r->at == r->have) {
		ssize_t ret = sys_pread(r->fd, r->buf, sizeof(r->buf), r->pos);

		if (ret <= 0) {
			r->err = (int)ret;
			return -1;
		}
		r->pos += (uint64_t)ret;
		r->have = (size_t)ret;
		r->at = 0;
	}
	return (unsigned char)r->buf[r->at++];
}

/* A hexadecimal number and the character behind it. */
static bool get_hex(struct maps_reader *r, uint64_t *ret, int behind)
{
	uint64_t v = 0;
	int c;

	while ((c = get_char(r)) >= 0 && c != behind) {
		int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;

		if (digit < 0 || digit > 15)
			return false;
		v = v << 4 | (unsigned)digit;
	}
	*ret = v;
	return c == behind;
}

/* "start-end perm offset dev inode   name" */
static bool get_line(struct maps_reader *r, struct uffd_vma *ret)
{
	uint64_t start, end, major, minor, offset, inode;
	char name[NAME_LEN];
	size_t len = 0;
	char perm[5];
	int c;

	if (!get_hex(r, &start, '-') || !get_hex(r, &end, ' '))
		return false;
	for (size_t i = 0; i < sizeof(perm); i++)
		perm[i] = (char)get_char(r);
	if (!get_hex(r, &offset, ' ') || !get_hex(r, &major, ':') ||
	    !get_hex(r, &minor, ' '))
		return false;
	for (inode = 0; (c = get_char(r)) >= '0' && c <= '9';)
		inode = inode * 10 + ((uint64_t)c & 15);
	for (; c == ' '; c = get_char(r))
		;
	for (; c >= 0 && c != '\n'; c = get_char(r))
		if (len + 1 < sizeof(name))
			name[len++] = (char)c;
	name[len] = '\0';
	ret->start = start;
	ret->end = end;
	ret->anon = is_anon(perm[3] == 's', inode, name);
	ret->read = perm[0] == 'r';
	ret->write = perm[1] == 'w';
	ret->exec = perm[2] == 'x';
	ret->shared = perm[3] == 's';
	ret->zero = is_zero(ret->shared, name);
	ret->memfd = is_memfd(ret->shared, name);
	ret->inode = inode;
	ret->dev = major << 32 | minor;
	ret->offset = offset;
	/* the text does not tell the size of huge pages: mostly 2 MiB */
	ret->order = strncmp(name, "/anon_hugepage", 14) ? 0 : 9;
	return true;
}

static int read_maps(const struct uffd *b, uintptr_t addr, struct uffd_vma *ret)
{
	struct maps_reader r;
	int err = begin_reading(&r, b);

	if (err)
		return err;
	err = -ENOENT;
	while (err && get_line(&r, ret))
		if (ret->end > addr)
			err = 0;
	return end_reading(&r) ? -ENOMEM : err;
}

static int find_once(const struct uffd *b, uintptr_t addr, struct uffd_vma *ret)
{
	if (b->has.procmap)
		return query_vma(b, addr, ret);
	return read_maps(b, addr, ret);
}

/* The kernel asks under the lock of all mappings. */
static bool is_mapped(uintptr_t addr)
{
	unsigned char there;

	return !sys_mincore(addr & ~(MM_PAGE_SIZE - 1), MM_PAGE_SIZE, &there);
}

static bool is_hole(int err, const struct uffd_vma *vma, uintptr_t addr)
{
	return err ? err == -ENOENT : vma->start > addr;
}

/*
 * Return: 0, -ENOENT, or -ENOMEM when it could not be found out.
 *
 * Since 6.17 the kernel looks without the lock of all mappings.  mremap(2) over
 * a mapping, ours in place.c among others, unmaps that one first, and a look in
 * between finds a hole.
 */
int uffd_find_vma(const struct uffd *b, uintptr_t addr, struct uffd_vma *ret)
{
	int err, tries = 0;

	do {
		err = find_once(b, addr, ret);
	} while (is_hole(err, ret, addr) && tries++ < HOLE_TRIES &&
		 is_mapped(addr));
	return err;
}

/* @fn may look at mappings, too, so the text is not read under the lock. */
static int each_line(const struct uffd *b, uffd_vma_fn *fn, void *arg)
{
	struct uffd_vma vma;
	struct maps_reader r;
	int err = open_maps(&r, b);

	if (err)
		return err;
	while (get_line(&r, &vma))
		fn(&vma, arg);
	return end_reading(&r);
}

/* Return: 0, or -ENOMEM when not all could be found out. */
int uffd_each_vma(const struct uffd *b, uffd_vma_fn *fn, void *arg)
{
	struct uffd_vma vma = { 0 };
	int err;

	if (!b->has.procmap)
		return each_line(b, fn, arg);
	while (!(err = query_vma(b, vma.end, &vma)))
		fn(&vma, arg);
	return err == -ENOENT ? 0 : -ENOMEM;
}

/* ---- Classification ---- */

/*
 * Memory of our own may be in one mapping with the application's: cut there.
 * Return: [start, *@end) is ours.
 */
static bool cut_own(uintptr_t start, uintptr_t *end)
{
	uintptr_t first, last;

	if (!sys_own_next(start, &first, &last) || first >= *end)
		return false;
	if (first > start) {
		*end = first;
		return false;
	}
	if (last < *end)
		*end = last;
	return true;
}

/* The kind of a mapping: can it be tracked? */
static void each_part(struct uffd *b, const struct uffd_vma *vma,
		      uffd_part_fn *fn)
{
	uintptr_t start = vma->start;

	while (vma->anon && start < vma->end) {
		uintptr_t end = vma->end;

		if (!cut_own(start, &end))
			fn(b, start, end);
		start = end;
	}
}

struct vma_parts {
	struct uffd *b;
	uffd_part_fn *fn;
};

static void each_vma_part(const struct uffd_vma *vma, void *arg)
{
	const struct vma_parts *p = arg;

	each_part(p->b, vma, p->fn);
}

void uffd_each_part(struct uffd *b, uffd_part_fn *fn)
{
	struct vma_parts p = { b, fn };

	uffd_each_vma(b, each_vma_part, &p);
}

/* The extent at @start, up to @end at most. */
static int next_extent(const struct uffd *b, uintptr_t start, uintptr_t end,
		       struct mm_extent *ret)
{
	struct uffd_vma vma;
	int err = uffd_find_vma(b, start, &vma);
	const struct uffd_object *o = uffd_object_at(b, start);

	if (err && err != -ENOENT)
		return err;
	ret->start = start;
	if (o) {
		ret->end = o->va + o->len < end ? o->va + o->len : end;
		ret->kind = MM_ANON;
		return 0;
	}
	if (err || vma.start >= end) {
		ret->kind = MM_UNMAPPED;
		ret->end = end;
	} else if (vma.start > start) {
		ret->kind = MM_UNMAPPED;
		ret->end = vma.start;
	} else {
		ret->end = vma.end < end ? vma.end : end;
		ret->kind = MM_UNSUPPORTED;
		if (!cut_own(start, &ret->end) && vma.anon)
			ret->kind = MM_ANON;
	}
	return 0;
}

ssize_t uffd_survey(struct mm *mm, uintptr_t start, uintptr_t end,
		    struct mm_extent *ret, size_t max)
{
	size_t n = 0;

	while (start < end && n < max) {
		int err = next_extent(to_uffd(mm), start, end, &ret[n]);

		if (err)
			return err;
		start = ret[n++].end;
	}
	return (ssize_t)n;
}

int uffd_mapping(struct mm *mm, uintptr_t addr, struct mm_extent *ret)
{
	struct uffd_vma vma;
	uintptr_t first, last;
	int err = uffd_find_vma(to_uffd(mm), addr, &vma);

	if (err)
		return err;
	if (vma.start > addr || !vma.anon)
		return -ENOENT;
	*ret = (struct mm_extent){ vma.start, vma.end, MM_ANON };
	while (sys_own_next(vma.start, &first, &last) && first < ret->end) {
		if (first > addr)
			ret->end = first;
		else if (last > addr)
			return -ENOENT;
		else
			ret->start = vma.start = last;
	}
	return 0;
}
