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
 * child of fork(2) does not have its views: a touch there is SIGSEGV.  Shared
 * memory that the program itself made, and has adopted, is shared with children
 * as ever.
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
 * enum uhmm_object_flags - of a view, or of memory that is adopted
 * @UHMM_OBJECT_PRIVATE: what is written by this view is seen by this view only,
 *	as with MAP_PRIVATE
 * @UHMM_OBJECT_SOLE: a promise: no other process has the memory now
 */
enum uhmm_object_flags {
	UHMM_OBJECT_PRIVATE = 1u << 0,
	UHMM_OBJECT_SOLE = 1u << 1,
};

/**
 * uhmm_object_adopt() - shared memory of the program's
 * @addr: in a mapping of mmap(2) with MAP_SHARED | MAP_ANONYMOUS, or with
 *	MAP_SHARED of a memfd_create(2) of which no descriptor is left
 * @flags: UHMM_OBJECT_SOLE, and the promise is not kept where a process has the
 *	memory that was forked before, or of which this one was forked
 * @ret_object: valid until uhmm_object_destroy() or uhmm_close()
 *
 * All mappings of this memory are views of the object from now on.  They keep
 * their addresses and their data; no other thread may map or unmap one
 * meanwhile.  The memory stays in use until uhmm_object_destroy(), also when no
 * view is left: see uhmm_object_is_mapped().  There are no more views by
 * uhmm_object_map() (-EOPNOTSUPP), but by mremap(2).
 *
 * Children of fork(2) have the memory: its pages come home before, and stay
 * (UHMM_WHY_SHARED) until all processes that were forked since have ended or
 * called execve(2).  A process that is made past fork(2)'s handlers has the
 * memory while no page has left since the last fork(2), or since the adoption;
 * else a touch there is SIGSEGV.  Pages that were never touched, and those that
 * are swapped out, do not leave.
 *
 * Return: 0; -EINVAL; -ENOMEM, also when nothing is mapped there; -EOPNOTSUPP:
 * it is private, of a file, shmat(2) or of huge pages, a memfd that ends before
 * its mapping, or the system has no leases (F_SETLEASE of fcntl(2)) or no
 * /proc; -EEXIST: it is an object already; -EFBIG: its end is mapped nowhere,
 * and mremap(2) could map it again; -EACCES: its memfd was mapped by a
 * descriptor that cannot write; -EBUSY: this process has a descriptor of it,
 * another userfaultfd has it, mlock(2) keeps it in RAM, or mappings keep
 * changing; -ENOSPC for more than 128 objects, or 64 views; -EMFILE; -ENFILE;
 * -ENODEV; -EDEADLK.
 */
int uhmm_object_adopt(struct uhmm *u, void *addr, unsigned flags,
		      struct uhmm_object **ret_object);

/**
 * uhmm_object_is_mapped() - is any view left?
 *
 * Return: 1, 0; -EINVAL; -ENODEV; -EDEADLK.
 */
int uhmm_object_is_mapped(struct uhmm_object *object);

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
 * -EACCES for protection that the system does not allow; -EBUSY: mappings keep
 * changing; -ENODEV; -EDEADLK.
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
 * uhmm_object_remove() - what madvise(2) with MADV_REMOVE does
 * @addr: in a view; whole pages
 * @len: bytes, whole pages, all of them in that view
 *
 * As uhmm_object_discard(), by an address.
 *
 * Return: as uhmm_object_discard(); -EINVAL also where there is no view.
 */
int uhmm_object_remove(struct uhmm *u, void *addr, size_t len);

/**
 * uhmm_object_destroy() - bring all pages home, and manage them no more
 *
 * The views stay mapped, as shared memory of the program's.  No other call on
 * the object may run or follow.  uhmm_close() does the same for all objects.
 * The data of adopted memory of which no view is left, here or in a child, are
 * dropped.
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
