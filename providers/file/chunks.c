// SPDX-License-Identifier: MIT
/*
 * chunks.c - which pages of the file have data; memory of the others is given
 * back.
 *
 * Punching a hole for each freed page would cost a system call each and
 * fragment the file.  So the file is given back in chunks, when the last page
 * of a chunk is freed.  The thread that frees that page marks the chunk,
 * punches it and clears the mark.  Meanwhile a thread that wants to write to
 * the chunk waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>

#include "file.h"

#define CHUNK_PUNCHED UINT32_MAX
#define WORD_BITS     64

int chunks_init(struct file *f)
{
	size_t words = (f->npages + WORD_BITS - 1) / WORD_BITS;
	size_t chunks = (f->npages + CHUNK_PAGES - 1) >> CHUNK_SHIFT;
	void *p;

	f->tables_len =
		words * sizeof(*f->has_data) + chunks * sizeof(*f->chunks);
	p = uhmm_provider_alloc(f->tables_len);
	if (!p)
		return -ENOMEM;
	f->has_data = p;
	f->chunks = (void *)(f->has_data + words);
	return 0;
}

void chunks_destroy(struct file *f)
{
	uhmm_provider_free(f->has_data, f->tables_len);
}

static uint64_t bit_of(uint64_t dpfn)
{
	return UINT64_C(1) << (dpfn % WORD_BITS);
}

static void enter(_Atomic uint32_t *chunk)
{
	uint32_t n = atomic_load(chunk);

	for (;;) {
		if (n == CHUNK_PUNCHED) {
			sched_yield();
			n = atomic_load(chunk);
		} else if (atomic_compare_exchange_weak(chunk, &n, n + 1)) {
			return;
		}
	}
}

static void punch(const struct file *f, uint64_t chunk)
{
	off_t len = (off_t)bytes_of(CHUNK_PAGES);

	fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		  (off_t)chunk * len, len);
}

static void leave(struct file *f, uint64_t chunk)
{
	uint32_t none = 0;

	if (atomic_fetch_sub(&f->chunks[chunk], 1) != 1 || !f->punches ||
	    !atomic_compare_exchange_strong(&f->chunks[chunk], &none,
					    CHUNK_PUNCHED))
		return;
	if (uhmm_fd_usable(f->fd))
		punch(f, chunk);
	atomic_store(&f->chunks[chunk], 0);
}

void chunks_add(struct file *f, uint64_t dpfn, size_t npages)
{
	for (; npages; dpfn++, npages--) {
		if (atomic_fetch_or(&f->has_data[dpfn / WORD_BITS],
				    bit_of(dpfn)) &
		    bit_of(dpfn))
			continue;
		enter(&f->chunks[dpfn >> CHUNK_SHIFT]);
		atomic_fetch_add(&f->used, 1);
	}
}

void chunks_drop(struct file *f, uint64_t dpfn, size_t npages)
{
	for (; npages; dpfn++, npages--) {
		if (!(atomic_fetch_and(&f->has_data[dpfn / WORD_BITS],
				       ~bit_of(dpfn)) &
		      bit_of(dpfn)))
			continue;
		atomic_fetch_sub(&f->used, 1);
		leave(f, dpfn >> CHUNK_SHIFT);
	}
}

bool chunks_have(const struct file *f, uint64_t dpfn, size_t npages)
{
	bool all = true;

	for (; npages; dpfn++, npages--)
		all &= (atomic_load(&f->has_data[dpfn / WORD_BITS]) &
			bit_of(dpfn)) != 0;
	return all;
}
