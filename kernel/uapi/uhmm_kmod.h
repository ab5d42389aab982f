/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * uhmm_kmod.h - /dev/uhmm, device memory that is pages of the kernel.
 *
 * An open file stands for one device: the one that it added, or one that it
 * attached to by number.  Calls about memory concern the memory of the calling
 * process.
 *
 * Each argument begins with its size.  A struct may grow at its end: the kernel
 * takes a part that the program does not know as zero.  If the program sets a
 * part that the kernel does not know the call fails with -E2BIG.  A member that
 * has no meaning, and an unknown flag, fail with -EINVAL.
 */
#ifndef UHMM_KMOD_H
#define UHMM_KMOD_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum uhmmk_type {
	UHMMK_PRIVATE = 1, /* a touch by the CPU brings a page home */
	UHMMK_COHERENT,	   /* the CPU uses the memory in place */
};

/* The kernel keeps the data of private pages, in memory of its own. */
#define UHMMK_KERNEL_STORE (1U << 0)
/* A driver keeps the data of private pages: the process that calls SERVE. */
#define UHMMK_RING (1U << 1)

/*
 * Add a new device; it ends with the file.  Requires CAP_SYS_ADMIN.  @npages is
 * rounded up, but for UHMMK_RING.  A coherent device takes @phys of the memory
 * that the module's parameter "coherent" sets aside, and no flags.
 *
 * UHMMK_RING: mmap(2) of this file, MAP_SHARED, from offset 0, @area bytes, is
 * the area, which begins with struct uhmmk_queue.  A driver that is waited for
 * and answers nothing for @timeout_ms is taken for dead: the device is lost.
 */
struct uhmmk_add {
	__u32 size, flags;
	__u32 type;
	__u32 id;     /* out */
	__u64 npages; /* in and out */
	__u64 phys;
	__u32 slots;	  /* UHMMK_RING: pages for data, 16 to 4096 */
	__u32 timeout_ms; /* UHMMK_RING: 1 to 3600000 */
	__u64 area;	  /* out, UHMMK_RING */
};

struct uhmmk_attach {
	__u32 size, id;
};

/* Where a page is: the number of a device, or one of these. */
#define UHMMK_RAM     0U
#define UHMMK_NOWHERE (~0U)

/* The outcome for a page that was to move */
enum uhmmk_why {
	UHMMK_MOVED = 0,
	UHMMK_STAYS, /* the page is there, or no page like it can move */
	UHMMK_BUSY,  /* pinned, or changed meanwhile: try again */
	UHMMK_NO_MEMORY,
	UHMMK_FULL, /* the device has no free page */
};

/* Move as many pages of a range as can move to the file's device or to RAM. */
struct uhmmk_move {
	__u32 size, flags;
	__u64 addr, npages;
	__u32 to; /* the file's device, or UHMMK_RAM */
	__u32 pad;
	__u64 why;   /* NULL, or a byte a page: enum uhmmk_why */
	__u64 moved; /* out, good after an error as well */
};

/* Ask where pages are now. */
struct uhmmk_look {
	__u32 size, flags;
	__u64 addr, npages;
	__u64 on; /* 32 bits a page */
};

/* From now on no page goes to the device any more. */
#define UHMMK_RETIRE (1U << 0)

/*
 * Send all pages of the device home, of all processes.  Only the owner may.  A
 * driver's other threads have to serve meanwhile.
 */
struct uhmmk_evict {
	__u32 size, flags;
	__u64 left; /* out: pages that could not go home */
};

/*
 * The data of the device's private pages are gone: a touch raises SIGBUS, and
 * no page moves any more.  Only the owner may.  -EOPNOTSUPP: it is coherent.
 */
struct uhmmk_lose {
	__u32 size, flags;
};

struct uhmmk_stat {
	__u32 size, flags;
	__u32 id, type;
	__u64 npages, used;
	__u64 out, home; /* pages that were moved */
	__u64 faults;	 /* pages that a touch brought home */
	__u64 retries;	 /* touches that found a page busy */
	/* From here on of UHMMK_RING only */
	__u64 stores, fetches, frees; /* pages that the driver did */
	__u64 failures;		      /* commands that the driver failed */
	__u64 lies;  /* answers to what nobody had asked, and wrong tails */
	__u64 waits; /* touches that waited for the driver with no lock held */
	__u64 locked_waits; /* others that waited for it */
	__u64 dead;	    /* 1: the driver is gone, or is taken for it */
	__u64 slots;	    /* 0: the device has no ring */
};

/* ---- The ring ---- */

/*
 * The kernel writes commands, the driver takes them in any order, on any of its
 * threads, and answers each one.  No two commands that are unanswered concern
 * the same device page.
 *
 * UHMMK_STORE: keep the data of @npages device pages from @dpfn on, which are
 *	in the slots.  What fails goes back to RAM.
 * UHMMK_FETCH: put the data there.  The driver keeps its copy.
 * UHMMK_FREE: the data are not wanted any more; there are no slots.
 */
enum uhmmk_op {
	UHMMK_STORE = 1,
	UHMMK_FETCH,
	UHMMK_FREE,
};

struct uhmmk_command {
	__u16 op, tag;
	__u32 npages;
	__u64 dpfn;
	__u64 data; /* where in the area the slots are, one after the other */
	__u32 generation;
	__u32 pad;
};

/* The first four members repeat those of the command. */
struct uhmmk_answer {
	__u16 op, tag;
	__u32 npages;
	__u32 generation;
	__s32 result; /* 0 or -errno; -ENODEV: all data are gone */
};

/*
 * Heads and tails only grow, and wrap at 2^32; the place of number n is n
 * modulo @nr_commands, or @nr_answers, which are powers of 2.  A tail is stored
 * with release after the entries before it, and loaded with acquire.  The
 * kernel reads nothing here but @command_head, @answer_tail and answers.
 */
struct uhmmk_queue {
	__u32 command_tail; /* the kernel writes these */
	__u32 answer_head;
	__u32 is_dead;
	__u32 pad[13];
	__u32 command_head; /* the driver writes these */
	__u32 answer_tail;
	__u32 pad2[14];
	__u32 nr_commands, nr_answers; /* nobody writes these */
	__u64 commands, answers;       /* offsets in the area */
};

/*
 * Take the driver's answers; then wait until there is a command, an answer of
 * another thread, or the time is over.  Only the owner may.  -ENODEV: the
 * device is dead; -EPROTO: @answer_tail is nonsense.
 */
struct uhmmk_serve {
	__u32 size, flags;
	__u32 timeout_ms;
	__u32 pad;
};

#define UHMMK_ADD    _IO('u', 0x50)
#define UHMMK_ATTACH _IO('u', 0x51)
#define UHMMK_MOVE   _IO('u', 0x52)
#define UHMMK_LOOK   _IO('u', 0x53)
#define UHMMK_EVICT  _IO('u', 0x54)
#define UHMMK_STAT   _IO('u', 0x55)
#define UHMMK_LOSE   _IO('u', 0x56)
#define UHMMK_SERVE  _IO('u', 0x57)

#endif
