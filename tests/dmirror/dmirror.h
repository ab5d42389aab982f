/* SPDX-License-Identifier: MIT */
/*
 * dmirror.h - the kernel's test driver for HMM, in a library for LD_PRELOAD.
 *
 * The library offers /dev/hmm_dmirror0..3 and debugfs's gup_test to a program,
 * on the public API of uhmm alone, so that the kernel's own hmm-tests can run.
 *
 *	hooks.c    open, ioctl, mmap and so on, as the program calls them
 *	file.c     open files: a mirror each
 *	device.c   the four devices and their memory
 *	table.c    a mirror's page table, and access through it
 *	access.c   ioctls that read and write
 *	migrate.c  ioctls that move pages
 *	snapshot.c what a device would see
 *	coherent.c what differs on devices 2 and 3
 *	gup.c      gup_test
 *	vma.c      the program's mappings
 *	arena.c    memory of our own, and copies from and to the program
 *
 * Everything lies in one arena, which is reserved when the library is loaded
 * and wiped in the child of a fork: there no device is open, as the kernel has
 * it for all that matters.  The program's heap and stdio are never used.
 *
 * Locks, in this order: shim.lock (open, close, release), file.op (one
 * operation of a file at a time), then uhmm, which calls back into
 * file.table_lock.  That one is also held while the device accesses memory, so
 * that an invalidation waits for it; only pages that the table has are touched
 * under it, and those do not fault.
 */
#ifndef UHMM_DMIRROR_H
#define UHMM_DMIRROR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uhmm/mirror.h>
#include <uhmm/uhmm.h>

#include "uapi.h"

#define PAGE	     uhmm_page_size()
#define NR_DEVICES   4
#define NR_FILES     16
#define DEVICE_PAGES ((uint64_t)65536)
#define BATCH	     ((size_t)512)

/**
 * struct device - /dev/hmm_dmirrorN
 * @dev: NULL while nobody has opened it
 * @id: its number in a uhmm_pfn_t
 * @memory: device page n is the n-th page here
 * @coherent: 2 and 3
 */
struct device {
	struct uhmm_device *dev;
	unsigned id;
	unsigned char *memory;
	bool coherent;
	int fd; /* of a coherent one */
};

enum file_kind {
	FILE_NONE,
	FILE_MIRROR,
	FILE_GUP
};

/**
 * struct file - an open file of ours
 * @fd, @inode: how it is known again; the file itself is an empty memfd
 * @op: held over an operation
 * @exclusive: the fault that runs is for exclusive access; under @op
 * @flags: DMIRROR_FAIL_ALLOC; under @op
 * @bounce: data between the device and the program; under @op
 * @table_lock: see above
 * @table: root of the page table
 * @nodes, @nodes_used: the memory of the table, bytes
 */
struct file {
	_Atomic int kind;
	int fd;
	ino_t inode;
	struct device *device;
	struct uhmm_mirror *mirror;
	pthread_mutex_t op;
	bool exclusive;
	uint64_t flags;
	unsigned char *bounce;
	pthread_mutex_t table_lock;
	uint64_t *table;
	unsigned char *nodes;
	size_t nodes_used;
};

struct shim {
	pthread_mutex_t lock;
	struct uhmm *u;
	struct device devices[NR_DEVICES];
	struct file files[NR_FILES];
};

/* ---- arena.c ---- */

#define BOUNCE_SIZE ((size_t)1 << 30)
#define NODES_SIZE  ((size_t)1 << 30)

/* Never NULL; all zero when nothing was opened in this process. */
struct shim *shim_get(void);
bool shim_is_there(void);
unsigned char *arena_device(unsigned nr);
unsigned char *arena_bounce(unsigned nr);
unsigned char *arena_nodes(unsigned nr);
void arena_drop(void *p, size_t len);

/* 0 or -EFAULT. */
int copy_from_program(void *to, uint64_t from, size_t len);
int copy_to_program(uint64_t to, const void *from, size_t len);

/*
 * Touch each page, as the CPU would: that is served in each fault mode, which
 * the faults of a system call are not.  0 or -EFAULT.
 */
int program_touch(uintptr_t addr, size_t len, bool write);

/* Bytes copied, without help of ours: what is away stays away. */
size_t vm_read(void *to, uintptr_t from, size_t len);
size_t vm_write(uintptr_t to, const void *from, size_t len);

/* ---- vma.c ---- */

/**
 * struct vma - a mapping of the program
 * @anon: private memory that never was a file's
 * @special: what cannot migrate at all: huge pages, the kernel's own
 */
struct vma {
	uintptr_t start, end;
	int prot;
	bool shared;
	bool anon;
	bool special;
};

typedef int vma_fn(void *arg, const struct vma *vma, uintptr_t start,
		   uintptr_t end);

/*
 * Call @fn for the part of each mapping in a range.  -EINVAL for a hole, for
 * what cannot be read and for what is special; else what @fn answers first.
 */
int vma_walk(uintptr_t start, uintptr_t end, vma_fn *fn, void *arg);

/* ---- device.c ---- */

int context_open(struct shim *shim);
int device_open(struct device *d);
/* Every page comes home.  No mirror is on it. */
int device_empty(struct device *d);
void *device_page(const struct device *d, uhmm_pfn_t entry);

/* ---- file.c ---- */

int file_open(const char *path, int flags);
struct file *file_find(int fd);
int file_close(struct file *f);
int file_ioctl(struct file *f, unsigned long request, void *arg);

/* ---- table.c ---- */

/* No entry has this bit of a uhmm_pfn_t: it says that the page is exclusive. */
#define ENTRY_EXCLUSIVE UHMM_PFN_ERROR

extern const struct uhmm_mirror_ops table_ops;

uint64_t table_entry(struct file *f, uintptr_t addr);
/* Pages read or written, from the first on, until one has no entry. */
size_t table_read(struct file *f, uintptr_t addr, void *to, size_t npages);
size_t table_write(struct file *f, uintptr_t addr, void *from, size_t npages);

/* ---- Operations: 0 or -errno ---- */

int access_read(struct file *f, struct dmirror_cmd *cmd);
int access_write(struct file *f, struct dmirror_cmd *cmd);
int access_exclusive(struct file *f, struct dmirror_cmd *cmd);
int access_is_atomic(struct file *f, struct dmirror_cmd *cmd);
/* Give the program the data of the pages in the table. */
int access_return(struct file *f, struct dmirror_cmd *cmd);
int migrate_to_device(struct file *f, struct dmirror_cmd *cmd);
int migrate_to_system(struct file *f, struct dmirror_cmd *cmd);
int snapshot_take(struct file *f, struct dmirror_cmd *cmd);
/* Is it /proc/self/pagemap? */
bool snapshot_is_pagemap(int fd);
/* The kernel's entries of pages from @addr on get what device memory has. */
void snapshot_mark(uint64_t *entries, size_t n, uintptr_t addr);
int gup_ioctl(unsigned long request, void *arg);

/* ---- coherent.c ---- */

int coherent_remote(struct file *f, uintptr_t start, size_t npages,
		    unsigned char *bytes);
bool coherent_may_stay(struct shim *shim, uintptr_t addr);

#endif
