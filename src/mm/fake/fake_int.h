/* SPDX-License-Identifier: MIT */
/*
 * fake_int.h - shared by fake.c, the backend, and app.c, the program.
 *
 * The bytes of the page at an address are in @home, as far from its start as
 * the address is from FAKE_BASE; "moving" a page copies it.  A page that is
 * not present has no bytes: nothing reads them.
 *
 * Lock order: @event (held while an event is applied, so that they run one at
 * a time), the client's locks, @lock (the table and all bytes).
 */
#ifndef UHMM_FAKE_INT_H
#define UHMM_FAKE_INT_H

#include "mm/fake/fake.h"
#include "sys/lock.h"

#define FAKE_PAGES (FAKE_BLOCKS * MM_BLOCK_PAGES)

struct fake_page {
	uint8_t kind;  /* enum mm_kind, 0: unmapped */
	uint8_t state; /* enum fake_state; FAKE_EMPTY where unmapped too */
	uint8_t marks; /* enum fake_mark */
	uint8_t node;  /* of a page that is there; from FAKE_NODES on: kmods */
	bool is_tracked;
	int fd;		 /* of the device memory that is placed there, or 0 */
	uint64_t offset; /* in that file, bytes */
};

/* A device of the kernel module. */
struct fake_kmod {
	bool attached, lost, coherent;
	uint64_t came;
};

#define FAKE_KMODS  2
#define FAKE_PLACES (FAKE_NODES + FAKE_KMODS)

struct fake {
	struct mm mm;
	struct sys_mutex event;
	struct sys_mutex lock;
	struct fake_page *pages; /* by lock */
	unsigned char *home;
	unsigned char *slots;
	size_t nr_slots, slots_used;	   /* by lock */
	unsigned one_in;		   /* by lock */
	uint64_t avoided;		   /* by lock: nodes */
	size_t room[FAKE_PLACES];	   /* by lock: pages that still fit */
	struct fake_kmod kmod[FAKE_KMODS]; /* by lock */
	void (*on_node_move)(struct mm *mm);
	uint64_t random;   /* by lock */
	uint32_t mappings; /* by lock; changes when a mapping does */
	bool is_dead;	   /* in the child of a fork */
	/* events not applied yet: faults wait, calls return -EAGAIN */
	_Atomic uint32_t pending;
	/* counts everything that a waiting access may wait for */
	_Atomic uint32_t wakes;
};

static inline struct fake *fake_of(struct mm *mm)
{
	return (struct fake *)mm;
}

static inline size_t fake_index(uintptr_t addr)
{
	return (addr - FAKE_BASE) >> MM_PAGE_SHIFT;
}

static inline unsigned char *fake_bytes(struct fake *f, uintptr_t addr)
{
	return f->home + (addr - FAKE_BASE);
}

static inline bool fake_is_inside(uintptr_t start, uintptr_t end)
{
	return start >= FAKE_BASE && start <= end && end <= FAKE_END;
}

/* Locks @f, for the pages from @addr. */
struct fake_page *fake_lock_page(struct fake *f, uintptr_t addr);
/* freeze.c; the first with @f locked */
unsigned char *fake_frame(struct fake *f, uintptr_t frame, size_t npages);
int fake_freeze(struct mm *mm, struct mm_freeze *z);
void fake_stash(struct mm *mm, struct mm_freeze *z);
int fake_unprotect(struct mm *mm, uintptr_t va, size_t npages);
/* look.c */
int fake_look(struct mm *mm, uintptr_t start, size_t npages, uint16_t *ret);
int fake_populate(struct mm *mm, uintptr_t start, size_t npages, bool write);
/* node.c */
int fake_avoid(struct mm *mm, int node, bool on);
int fake_isolate(struct mm *mm, uintptr_t start, uintptr_t end);
int fake_node_look(struct mm *mm, struct mm_sites *n);
void fake_node_move(struct mm *mm, struct mm_sites *n);
int fake_resident(struct mm *mm, uintptr_t va, unsigned first, unsigned last,
		  struct mm_set *ret);
/*
 * kmod.c, with @f locked: a touch brings the page home.  Return: false if its
 * data are gone.
 */
extern const struct mm_kmod_ops fake_kmod_ops;
int fake_site(const struct fake_page *page);
int fake_place_of_site(int site);
bool fake_kmod_touch(struct fake *f, struct fake_page *page);
/* place.c; the first with @f locked */
unsigned char *fake_file_bytes(const struct fake_page *page, uintptr_t va);
uint32_t fake_stamp(struct mm *mm, uintptr_t va);
ssize_t fake_place(struct mm *mm, struct mm_place *p);
ssize_t fake_unplace(struct mm *mm, struct mm_place *p);
bool fake_is_placed(struct mm *mm, uintptr_t va, int fd, uint64_t offset);
int fake_resume(struct mm *mm, uintptr_t va, size_t npages);
/* Stop: the caller did what loses data on a real page table. */
_Noreturn void fake_bug(const char *what, uintptr_t addr);
bool fake_is_occupied(const unsigned char *frame);
/* Let every waiting access look again. */
void fake_wake_all(struct fake *f);
/* Under the lock: is it this call's turn to be refused? */
bool fake_refuses(struct fake *f);

/* Around the calls to the client that tell of one event. */
void fake_event_begin(struct fake *f);
void fake_event_end(struct fake *f);

#endif
