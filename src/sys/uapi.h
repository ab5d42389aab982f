/* SPDX-License-Identifier: MIT */
/*
 * uapi.h - kernel interfaces newer than the headers of Debian 12 (Linux 6.1),
 * under names of our own so that newer headers do not clash.
 */
#ifndef UHMM_UAPI_H
#define UHMM_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* ---- userfaultfd(2) ---- */

#define UAPI_USER_MODE_ONLY	 1
#define UAPI_USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)

#define UAPI_FEATURE_POISON (1ull << 14) /* 6.6 */
#define UAPI_FEATURE_MOVE   (1ull << 16) /* 6.8 */

struct uapi_move {
	__u64 dst, src, len, mode;
	__s64 move; /* bytes done, or -errno */
};
#define UAPI_UFFDIO_MOVE	  _IOWR(0xAA, 0x05, struct uapi_move)
#define UAPI_MOVE_DONTWAKE	  (1ull << 0)
#define UAPI_MOVE_ALLOW_SRC_HOLES (1ull << 1)

struct uapi_poison {
	__u64 start, len, mode;
	__s64 updated; /* bytes done, or -errno */
};
#define UAPI_UFFDIO_POISON _IOWR(0xAA, 0x08, struct uapi_poison)

/* ---- /proc/PID/pagemap, 6.7 ---- */

struct uapi_page_region {
	__u64 start, end, categories;
};

struct uapi_pm_scan {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask;
	__u64 return_mask;
};
#define UAPI_PAGEMAP_SCAN _IOWR('f', 16, struct uapi_pm_scan)
#define UAPI_PAGE_PRESENT (1ull << 3)
#define UAPI_PAGE_SWAPPED (1ull << 4)
#define UAPI_PAGE_FILE	  (1ull << 2)
#define UAPI_PAGE_ZERO	  (1ull << 5)
#define UAPI_PAGE_HUGE	  (1ull << 6)

/* An entry read from /proc/PID/pagemap */
#define UAPI_PM_PRESENT	  (1ull << 63)
#define UAPI_PM_SWAP	  (1ull << 62)
#define UAPI_PM_FILE	  (1ull << 61) /* of a file, or shared */
#define UAPI_PM_GUARD	  (1ull << 58) /* 6.15 */
#define UAPI_PM_UFFD_WP	  (1ull << 57)
#define UAPI_PM_EXCLUSIVE (1ull << 56) /* mapped by one process only */

/* ---- /proc/PID/maps, 6.11 ---- */

struct uapi_procmap {
	__u64 size, query_flags, query_addr;
	__u64 vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
	__u64 inode;
	__u32 dev_major, dev_minor;
	__u32 vma_name_size, build_id_size;
	__u64 vma_name_addr, build_id_addr;
};
#define UAPI_PROCMAP_QUERY   _IOWR('f', 17, struct uapi_procmap)
#define UAPI_PROCMAP_READ    0x01
#define UAPI_PROCMAP_WRITE   0x02
#define UAPI_PROCMAP_EXEC    0x04
#define UAPI_PROCMAP_SHARED  0x08
#define UAPI_PROCMAP_OR_NEXT 0x10

#endif
