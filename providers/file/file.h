/* SPDX-License-Identifier: MIT */
/*
 * file.h - what the files of this provider share.
 */
#ifndef PROVIDERS_FILE_FILE_H
#define PROVIDERS_FILE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/provider.h>

#include "../pages.h"

#define CHUNK_SHIFT 9 /* pages: 2 MiB */
#define CHUNK_PAGES (1u << CHUNK_SHIFT)

#define UNUSED_PAGES 4

/*
 * @fd: the file; page n is at bytes_of(n)
 * @flags: of pwritev2(2)
 * @punches: memory of the file can be given back
 * @in_ram: the file system is in RAM
 * @unused: UNUSED_PAGES of memory that is written to and never read
 * @used: number of pages that have data
 * @has_data: a bit for each page
 * @chunks: for each chunk the number of its pages that have data, or
 *	CHUNK_PUNCHED
 */
struct file {
	int fd;
	int flags;
	bool punches;
	bool in_ram;
	void *unused;
	uint64_t npages;
	_Atomic uint64_t used;
	_Atomic uint64_t *has_data;
	_Atomic uint32_t *chunks;
	size_t tables_len;
};

/* ---- open.c ---- */

/*
 * Open the file of a device of @npages; 0: as many as the file has.  @values:
 * of file_options.  Return: -errno, after which the caller must call
 * file_close() as well.
 */
int file_open(struct file *f, const char *const *values, uint64_t npages);
void file_close(struct file *f);
/* False: @end is beyond RLIMIT_FSIZE, and a write would raise SIGXFSZ. */
bool file_may_reach(uint64_t end);

extern const struct uhmm_option file_options[];

/* ---- transfer.c ---- */

int transfer_write(struct file *f, const struct uhmm_segment *seg, size_t nr);
/* -EIO: also if a page has no data. */
int transfer_read(const struct file *f, const struct uhmm_segment *seg,
		  size_t nr);

/* ---- chunks.c ---- */

int chunks_init(struct file *f);
void chunks_destroy(struct file *f);
/* The pages are about to be written; waits while their chunk is punched. */
void chunks_add(struct file *f, uint64_t dpfn, size_t npages);
/* The pages have no data any more.  A chunk without data is given back. */
void chunks_drop(struct file *f, uint64_t dpfn, size_t npages);
/* Do all of the pages have data? */
bool chunks_have(const struct file *f, uint64_t dpfn, size_t npages);

#endif
