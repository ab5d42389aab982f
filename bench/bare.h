/* SPDX-License-Identifier: MIT */
/*
 * bare.h - the bare primitives that uhmm is compared with.
 *
 * Only the kernel's calls: no states, no locks, no events.  Their speed on this
 * machine, in this run, is the floor.
 */
#ifndef UHMM_BENCH_BARE_H
#define UHMM_BENCH_BARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BARE_MAX_HANDLERS 2

/**
 * struct bare - memory, and the shortest program that resolves its faults
 * @reg, @len: the memory
 * @dev: the data of @reg, byte for byte
 * @pool: as large as @reg, for data that are moved
 * @granule: bytes to resolve at once
 * @resolve: brings @granule bytes to @addr, which is aligned to @granule
 */
struct bare {
	int uffd;
	char *reg;
	size_t len;
	char *dev;
	char *pool;
	size_t granule;
	void (*resolve)(struct bare *b, char *addr);
	pthread_t handler[BARE_MAX_HANDLERS];
	unsigned nr_handlers;
	bool polls;
};

/* Can this machine run the primitives at all?  0 or -EOPNOTSUPP. */
int bare_check(void);

/*
 * Register @b->reg, with room for a block after @len bytes.  @inlined: faults
 * raise SIGBUS.  UFFDIO_COPY resolves faults until @b->resolve is changed.
 */
void bare_open(struct bare *b, bool inlined);
void bare_close(struct bare *b);

/* Faults of @b are resolved in the signal handler, until bare_signal_end(). */
void bare_signal_begin(struct bare *b);
void bare_signal_end(void);

/*
 * Threads resolve the faults of @b, each pinned to one CPU.  With @polls a
 * thread calls poll(2) before read(2), else read(2) alone.
 */
void bare_handlers_begin(struct bare *b, bool polls);
void bare_handlers_end(struct bare *b);

/* Functions that resolve a fault. */
void bare_resolve_copy(struct bare *b, char *addr);
void bare_resolve_zero(struct bare *b, char *addr);
void bare_resolve_move(struct bare *b, char *addr);

/* The calls.  Each ends the program if the kernel refuses. */
void bare_register(int uffd, void *p, size_t len);
void bare_copy(int uffd, void *dst, const void *src, size_t len);
void bare_move(int uffd, void *dst, void *src, size_t len);
void bare_protect(int uffd, void *p, size_t len, bool on);
int bare_uffd(bool inlined);

/* A copy by non-temporal stores, and nothing else. */
void bare_nt_copy(void *dst, const void *src, size_t len);

#endif
