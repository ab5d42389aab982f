/* SPDX-License-Identifier: MIT */
/*
 * uapi.h - what programs see of the kernel's test drivers, written down from
 * its documentation: /dev/hmm_dmirrorN (test_hmm) as of Linux 6.1 to 7.3, and
 * gup_test in debugfs.
 */
#ifndef UHMM_DMIRROR_UAPI_H
#define UHMM_DMIRROR_UAPI_H

#include <stdint.h>
#include <sys/ioctl.h>

/* ---- /dev/hmm_dmirrorN ---- */

/**
 * struct dmirror_cmd - one operation of a device
 * @addr: first byte in the program's address space, page aligned
 * @ptr: where in the program the device's data come from or go to
 * @npages: length
 * @cpages: out: pages done
 * @faults: out: device page faults that it took
 */
struct dmirror_cmd {
	uint64_t addr;
	uint64_t ptr;
	uint64_t npages;
	uint64_t cpages;
	uint64_t faults;
};

#define DMIRROR_READ	  _IOWR('H', 0, struct dmirror_cmd)
#define DMIRROR_WRITE	  _IOWR('H', 1, struct dmirror_cmd)
#define DMIRROR_TO_DEV	  _IOWR('H', 2, struct dmirror_cmd)
#define DMIRROR_TO_SYS	  _IOWR('H', 3, struct dmirror_cmd)
#define DMIRROR_SNAPSHOT  _IOWR('H', 4, struct dmirror_cmd)
#define DMIRROR_EXCLUSIVE _IOWR('H', 5, struct dmirror_cmd)
#define DMIRROR_IS_ATOMIC _IOWR('H', 6, struct dmirror_cmd)
#define DMIRROR_RELEASE	  _IOWR('H', 7, struct dmirror_cmd)
#define DMIRROR_FLAGS	  _IOWR('H', 8, struct dmirror_cmd)
#define DMIRROR_READ_OPEN _IOWR('H', 9, struct dmirror_cmd) /* no lock held */

/* The next large page that is asked for is not to be had. */
#define DMIRROR_FAIL_ALLOC 1u

/* A byte for each page of a snapshot.  READ or WRITE, or-ed with the others. */
enum {
	PROT_BYTE_NONE = 0,
	PROT_BYTE_READ = 1,
	PROT_BYTE_WRITE = 2,
	PROT_BYTE_PMD = 4,
	PROT_BYTE_PUD = 8,
	PROT_BYTE_ZERO = 0x10,
	PROT_BYTE_PRIVATE_LOCAL = 0x20,
	PROT_BYTE_COHERENT_LOCAL = 0x40,
	PROT_BYTE_COHERENT_REMOTE = 0x50,
	PROT_BYTE_ERROR = 0xff,
};

/* ---- gup_test ---- */

/**
 * struct gup_cmd - take references to pages as a driver would
 * @get_usec: out: how long taking them took
 * @put_usec: out: how long giving them back took
 * @addr, @size: the range; @size is what was reached, when it comes back
 * @nr_per_call: pages in one go
 * @gup_flags: FOLL_*
 * @test_flags, @which_pages: for dumps to the kernel's log
 */
struct gup_cmd {
	uint64_t get_usec;
	uint64_t put_usec;
	uint64_t addr;
	uint64_t size;
	uint32_t nr_per_call;
	uint32_t gup_flags;
	uint32_t test_flags;
	uint32_t which_pages[8];
};

#define GUP_FAST	 _IOWR('g', 1, struct gup_cmd)
#define GUP_PIN_FAST	 _IOWR('g', 2, struct gup_cmd)
#define GUP_PIN_LONGTERM _IOWR('g', 3, struct gup_cmd)
#define GUP_BASIC	 _IOWR('g', 4, struct gup_cmd)
#define GUP_PIN_BASIC	 _IOWR('g', 5, struct gup_cmd)
#define GUP_DUMP	 _IOWR('g', 6, struct gup_cmd)

#define GUP_FLAG_WRITE 0x1u
/* Both values of FOLL_LONGTERM: before Linux 6.3, and since. */
#define GUP_FLAG_LONGTERM 0x10100u

#endif
