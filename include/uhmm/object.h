/* SPDX-License-Identifier: MIT */
/*
 * object.h - shared memory with pages that can be on a device.  See
 * uhmm_object_create(3).
 *
 * An object is memory that several mappings of one process, its views, show.
 * A page of it is in RAM or on a device for all of them at once: what is
 * written by one view is read by the others, wherever the page was meanwhile.
 *
 * An object belongs to the process that made it.  No other can reach it, and a
 * child of fork(2) does not have its views: a touch there is SIGSEGV.
 */
#ifndef UHMM_OBJECT_H
#define UHMM_OBJECT_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm_object;

/**
 * uhmm_object_create() - shared memory of the library's own
 * @len: bytes, whole pages; the object cannot grow
 * @flags: 0
 * @ret_object: valid until uhmm_object_destroy() or uhmm_close()
 *
 * All of it is a hole, which reads as zeroes.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP where userfaultfd(2) cannot write-protect
 * shared memory (Linux before 5.19); -ENOSPC for more than 128 objects;
 * -ENOMEM; -EMFILE; -ENFILE; -ENODEV; -EDEADLK.
 */
int uhmm_object_create(struct uhmm *u, size_t len, unsigned flags,
		       struct uhmm_object **ret_object);

/**
 * enum uhmm_object_flags - of a view
 * @UHMM_OBJECT_PRIVATE: what is written by this view is seen by this view only,
 *	as with MAP_PRIVATE
 */
enum uhmm_object_flags {
	UHMM_OBJECT_PRIVATE = 1u << 0,
};

/**
 * uhmm_object_map() - one more view
 * @offset: of its first byte in the object, whole pages
 * @len: bytes, whole pages
 * @prot: as for mmap(2)
 * @flags: enum uhmm_object_flags
 * @ret_addr: its address
 *
 * Calls that take an address take that of a view, as long as all of the range
 * is in it: uhmm_migrate() and its kin, uhmm_prefer(), uhmm_pin(),
 * uhmm_fault_in(), uhmm_snapshot(), uhmm_charge().  Pages that were written by
 * a private view are its own, and stay.
 *
 * A view ends by munmap(2).  mremap(2) may move it, and may map it once more.
 * Where a view was cut short, and its mapping could grow again unseen, no page
 * of the object leaves (UHMM_WHY_SHARED) as long as the view is there.
 *
 * Return: 0; -EINVAL; -ENOSPC for more than 64 views of one object; -ENOMEM;
 * -EACCES for protection that the system does not allow; -ENODEV; -EDEADLK.
 */
int uhmm_object_map(struct uhmm_object *object, uint64_t offset, size_t len,
		    int prot, unsigned flags, void **ret_addr);

/**
 * uhmm_object_discard() - make a part a hole again, wherever its pages are
 * @offset: whole pages
 * @len: bytes, whole pages
 *
 * madvise(2) cannot say so: to MADV_DONTNEED shared memory keeps its data, and
 * MADV_REMOVE discards those pages only that are in RAM.
 *
 * Return: 0; -EINVAL; -ENOMEM, and a part may be discarded; -ENODEV; -EDEADLK.
 */
int uhmm_object_discard(struct uhmm_object *object, uint64_t offset,
			size_t len);

/**
 * uhmm_object_destroy() - bring all pages home, and manage them no more
 *
 * The views stay mapped, as shared memory of the program's.  No other call on
 * the object may run or follow.  uhmm_close() does the same for all objects.
 *
 * Return: 0; -EBUSY while pages are pinned, or -ENOMEM, and the object is there
 * still; -EIO: the data of some pages are lost, and a touch of them is SIGBUS;
 * -ENODEV; -EDEADLK.
 */
int uhmm_object_destroy(struct uhmm_object *object);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
