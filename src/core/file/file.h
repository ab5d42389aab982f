/* SPDX-License-Identifier: MIT */
/* file.h - files that are mapped: file.c, map.c, refresh.c, store.c, sync.c */
#ifndef UHMM_FILE_FILE_H
#define UHMM_FILE_FILE_H

#include <uhmm/file.h>

#include "core/device/device.h"
#include "core/page/block_file.h"
#include "sys/file.h"
#include "sys/lock.h"
#include "sys/room.h"

/*
 * A file that is mapped.  Device page n of @dev is the page of the file at
 * @offset + n * MM_PAGE_SIZE; the mapping begins with page 0.
 * @syncing: one thread at a time writes back; held over all of it
 * @blocks: of all blocks of the mapping
 * @next: by the lock of the list
 */
struct file_map {
	struct uhmm *u;
	struct file_map *next;
	struct sys_room room;
	uintptr_t va;
	size_t len;
	uint64_t offset;
	int prot;
	unsigned flags;
	struct sys_file file;
	struct uhmm_device *dev;
	struct block_file *blocks;
	struct sys_mutex syncing;
};

/* Of mmap(2), msync(2) and madvise(2), on all systems with userfaultfd(2). */
enum {
	FILE_PROT_READ = 1,
	FILE_PROT_WRITE = 2,
	FILE_MS_ASYNC = 1,
	FILE_MS_SYNC = 4,
};

static inline bool file_is_writable(const struct file_map *m)
{
	return m->prot & FILE_PROT_WRITE;
}

/* map.c: bodies of public calls */
int do_file_map(struct file_map *m, int fd);
int do_file_unmap(struct uhmm *u, uintptr_t addr);
/* The mapping that has all of the range, or NULL. */
struct file_map *file_find(struct uhmm *u, uintptr_t addr, size_t len);
/*
 * The context is being closed: end all mappings.  -EIO: data are lost that
 * could not be written back.
 */
int file_end_all(struct uhmm *u);
/* The backend's mm_client.is_childless: no child has the memory of a file. */
bool file_is_childless(void *priv, uintptr_t addr);
/* In a child of fork(2). */
void file_child(struct uhmm *u);

/* sync.c */
int do_file_sync(struct uhmm *u, uintptr_t addr, size_t len, unsigned flags);
/* @now: until all is on the disk */
int file_sync(struct file_map *m, uintptr_t start, uintptr_t end, bool now);

/* refresh.c */
int do_file_refresh(struct uhmm *u, uintptr_t addr, size_t len);

/* store.c */
extern const struct uhmm_device_ops file_ops;
/* Look at the size of the file.  Return: 0, -errno. */
int file_measure(struct file_map *m);
/*
 * Write whole pages, as far as the file goes.  Pages behind its end are left
 * out.  Return: 0, -errno.
 */
int file_write(struct file_map *m, const void *from, uint64_t dpfn,
	       size_t npages);

#endif
