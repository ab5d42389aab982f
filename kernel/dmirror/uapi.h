/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* uapi.h - the calls by which Linux's selftests for HMM use the driver. */
#ifndef UHMMK_DMIRROR_UAPI_H
#define UHMMK_DMIRROR_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct command {
	__u64 addr;
	__u64 ptr; /* data of the device, or of a snapshot */
	__u64 npages;
	__u64 cpages; /* out: copied, moved or looked at */
	__u64 faults; /* out: number of faults of the device */
};

#define CMD_READ	    _IOWR('H', 0, struct command)
#define CMD_WRITE	    _IOWR('H', 1, struct command)
#define CMD_TO_DEVICE	    _IOWR('H', 2, struct command)
#define CMD_TO_RAM	    _IOWR('H', 3, struct command)
#define CMD_SNAPSHOT	    _IOWR('H', 4, struct command)
#define CMD_EXCLUSIVE	    _IOWR('H', 5, struct command)
#define CMD_CHECK_EXCLUSIVE _IOWR('H', 6, struct command)
#define CMD_RELEASE	    _IOWR('H', 7, struct command)
#define CMD_FLAGS	    _IOWR('H', 8, struct command)
#define CMD_READ_UNLOCKED   _IOWR('H', 9, struct command)

/* Values of a byte of a snapshot */
#define SHOT_ERROR    0xff
#define SHOT_READ     0x01
#define SHOT_WRITE    0x02
#define SHOT_PMD      0x04
#define SHOT_PUD      0x08
#define SHOT_ZERO     0x10
#define SHOT_PRIVATE  0x20
#define SHOT_COHERENT 0x40
#define SHOT_REMOTE   0x10 /* with one of the two: on another device */

#endif
