/* SPDX-License-Identifier: MIT */
/*
 * fake.h - the test's side of a page table in plain memory.
 *
 * mm_fake_open() (mm.h) makes an address space that exists only in a table:
 * FAKE_BLOCKS blocks from FAKE_BASE on, all unmapped.  The functions here are
 * what a program and its kernel do to it: map, touch, discard, unmap.  They
 * may be called on any threads; on one thread everything is deterministic.
 *
 * Misuse that would lose data on a real page table (a page removed that was
 * not frozen, a frame outside of the slots) stops the program with a message.
 * Backend calls that a real kernel may refuse pass sys_should_fail("fake ...").
 */
#ifndef UHMM_FAKE_H
#define UHMM_FAKE_H

#include "mm/mm.h"

#define FAKE_BASE   ((uintptr_t)0x100000000000)
#define FAKE_BLOCKS ((size_t)256)
#define FAKE_END    (FAKE_BASE + FAKE_BLOCKS * MM_BLOCK_SIZE)

/* ---- Mappings.  Addresses are page aligned and within the space ---- */

enum fake_mark {
	FAKE_READONLY = 1u << 0, /* left by freezes; writes get -EACCES */
	FAKE_FOREIGN = 1u << 1,	 /* track() answers -EBUSY */
	FAKE_PINNED = 1u << 2,	 /* these three refuse freezing */
	FAKE_SHARED = 1u << 3,
	FAKE_LOCKED = 1u << 4,
	FAKE_LOCKS = 1u << 5, /* becomes locked while it is stashed */
};

/* -EEXIST when something is mapped there.  @kind: not MM_UNMAPPED. */
int fake_map(struct mm *mm, uintptr_t start, uintptr_t end, enum mm_kind kind);
/* Set or clear marks of mapped pages; a new mapping has none. */
void fake_mark(struct mm *mm, uintptr_t start, uintptr_t end, unsigned marks,
	       bool on);

/* Like munmap(2), MADV_DONTNEED and mremap(2): each raises its event. */
void fake_munmap(struct mm *mm, uintptr_t start, uintptr_t end);
void fake_discard(struct mm *mm, uintptr_t start, uintptr_t end);
/* -EEXIST when something is mapped at @to, -EFAULT for a hole at @from. */
int fake_mremap(struct mm *mm, uintptr_t from, uintptr_t to, size_t len);

/* ---- The CPU ---- */

/*
 * Access memory as a program does: page after page, faults included.  Return:
 * 0; -EFAULT where nothing is mapped, -EACCES for a write to a read-only page,
 * -EIO for a poisoned page or MM_SIGBUS, -ETIMEDOUT when a fault was left to
 * wait and not woken for FAKE_PATIENCE_NS.
 */
int fake_cpu_read(struct mm *mm, uintptr_t addr, void *buf, size_t len);
int fake_cpu_write(struct mm *mm, uintptr_t addr, const void *buf, size_t len);
#define FAKE_PATIENCE_NS (UINT64_C(20) * 1000000000)

/* ---- What the table says ---- */

enum fake_state {
	FAKE_UNMAPPED,
	FAKE_EMPTY,
	FAKE_PRESENT,
	FAKE_PROTECTED, /* present, but write-protected */
	FAKE_POISONED,
	FAKE_PLACED, /* device memory */
};

enum fake_state fake_state(struct mm *mm, uintptr_t addr);
bool fake_is_tracked(struct mm *mm, uintptr_t addr);

/* The site of a page that is there. */
int fake_node(struct mm *mm, uintptr_t addr);
/* ---- Device memory that can be placed ---- */

/*
 * A descriptor for place(): @npages at @bytes, which must stay until
 * fake_file_close().  A touch of what is still placed then stops the program.
 * -EMFILE.
 */
int fake_file(unsigned char *bytes, size_t npages);
void fake_file_close(int fd);

/* ---- Behaviour ---- */

#define FAKE_NODES 4 /* node 0 has processors, and room without end */
/* Pages that another node has room for.  Default: none at all. */
void fake_set_node(struct mm *mm, int node, size_t room);
/*
 * A file of the kernel module with a device that has room for @room pages.
 * @coherent: a touch leaves the page there.
 */
int fake_kmod_file(struct mm *mm, size_t room, bool coherent);
/* The kernel moves a page that is there, as a part of a huge one perhaps. */
void fake_drag(struct mm *mm, uintptr_t addr, int node);
/* @fn runs in each move between nodes, when the pages are where they go. */
void fake_on_node_move(struct mm *mm, void (*fn)(struct mm *mm));
/* Without MOVE: freezes leave all, give() copies.  Default: with. */
void fake_set_move(struct mm *mm, bool can_move);
/*
 * One in @one_in pages refuses a freeze or a stash, and bulk calls end early
 * or with -EAGAIN as often, by a generator seeded with @seed.  0: never.
 */
void fake_set_refusals(struct mm *mm, unsigned one_in, uint64_t seed);

#endif
