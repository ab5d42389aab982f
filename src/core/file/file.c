/* SPDX-License-Identifier: MIT */
/* file.c - the public calls about files that are mapped; see README.md. */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/file/file.h"

static bool is_part(uint64_t offset, size_t len)
{
	return len && !((offset | len) & (MM_PAGE_SIZE - 1));
}

static bool is_mappable(uint64_t offset, size_t len, int prot, unsigned flags)
{
	const unsigned known = UHMM_FILE_RELAXED | UHMM_FILE_CACHED;

	return is_part(offset, len) && offset <= INT64_MAX - len &&
	       len <= (size_t)1 << 46 &&
	       (prot == FILE_PROT_READ ||
		prot == (FILE_PROT_READ | FILE_PROT_WRITE)) &&
	       flags & UHMM_FILE_RELAXED && !(flags & ~known);
}

int uhmm_map_file(struct uhmm *u, int fd, uint64_t offset, size_t len, int prot,
		  unsigned flags, void **ret_addr)
{
	struct request req = { .op = REQ_FILE_MAP, .dpfn = (unsigned)fd };
	struct file_map *m;
	int err;

	if (!u || !ret_addr || !is_mappable(offset, len, prot, flags))
		return -EINVAL;
	if (fd < 0)
		return -EBADF;
	m = sys_alloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	*m = (struct file_map){ .u = u,
				.len = len,
				.offset = offset,
				.prot = prot,
				.flags = flags };
	sys_mutex_set_rank(&m->syncing, RANK_FILE);
	req.file = m;
	err = (int)request_run(u, &req);
	if (err)
		sys_free(m, sizeof(*m));
	else
		*ret_addr = (void *)m->va;
	return err;
}

int uhmm_unmap_file(struct uhmm *u, void *addr)
{
	struct request req = { .op = REQ_FILE_UNMAP,
			       .cookie = (uintptr_t)addr };

	return u && addr ? (int)request_run(u, &req) : -EINVAL;
}

/* Of a call about [addr, addr + len). */
static int run_on_part(struct uhmm *u, enum request_op op, void *addr,
		       size_t len, int flags)
{
	struct request req = { .op = op,
			       .addr = (uintptr_t)addr,
			       .len = len,
			       .flags = (unsigned)flags };

	if (!u || !addr || !is_part((uintptr_t)addr, len))
		return -EINVAL;
	return (int)request_run(u, &req);
}

int uhmm_file_sync(struct uhmm *u, void *addr, size_t len, int flags)
{
	if (flags != FILE_MS_SYNC && flags != FILE_MS_ASYNC)
		return -EINVAL;
	return run_on_part(u, REQ_FILE_SYNC, addr, len, flags == FILE_MS_SYNC);
}

int uhmm_file_refresh(struct uhmm *u, void *addr, size_t len)
{
	return run_on_part(u, REQ_FILE_REFRESH, addr, len, 0);
}
