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

/*
 * Add a new device; it ends with the file.  Requires CAP_SYS_ADMIN.  @npages is
 * rounded up.  A coherent device takes @phys of the memory that the module's
 * parameter "coherent" sets aside, and no flags.
 */
struct uhmmk_add {
	__u32 size, flags;
	__u32 type;
	__u32 id;     /* out */
	__u64 npages; /* in and out */
	__u64 phys;
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

/* Send all pages of the device home, of all processes.  Only the owner may. */
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
};

#define UHMMK_ADD    _IO('u', 0x50)
#define UHMMK_ATTACH _IO('u', 0x51)
#define UHMMK_MOVE   _IO('u', 0x52)
#define UHMMK_LOOK   _IO('u', 0x53)
#define UHMMK_EVICT  _IO('u', 0x54)
#define UHMMK_STAT   _IO('u', 0x55)
#define UHMMK_LOSE   _IO('u', 0x56)

#endif
