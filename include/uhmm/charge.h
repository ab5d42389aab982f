/* SPDX-License-Identifier: MIT */
/*
 * charge.h - groups that pages are charged to, and their limits.  See
 * uhmm_group_create(3).
 *
 * Groups are a tree, as memory cgroups are.  A page is charged to one group,
 * in RAM or on its device, and to all groups above that group.  A page that was
 * put into no group is charged to the root.  The first call of this header
 * starts the counting: it looks at all managed memory once.
 *
 * uhmm_params.charge, enum uhmm_charge, says what a limit means.  A CPU fault
 * never fails because of a limit, with either meaning.
 */
#ifndef UHMM_CHARGE_H
#define UHMM_CHARGE_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm_group; /* a node of the accounting tree */

#define UHMM_GROUP_NAME 32 /* bytes, with the final NUL */

/**
 * uhmm_group_root() - the group that all others are below
 *
 * Its RAM limit is that of uhmm_set_ram_limit().
 *
 * Return: the root; NULL if @u is.
 */
struct uhmm_group *uhmm_group_root(struct uhmm *u);

/**
 * uhmm_group_create() - a new group, without pages or limits
 * @parent: NULL: the root
 * @name: copied; printable characters without blanks, 1 to 31 of them
 * @ret_group: valid until uhmm_group_destroy() or uhmm_close()
 *
 * Return: 0; -EINVAL for a bad name or a parent of another context; -ENOSPC for
 * more than 4095 groups; -ENOMEM; -ENODEV.
 */
int uhmm_group_create(struct uhmm *u, struct uhmm_group *parent,
		      const char *name, struct uhmm_group **ret_group);

/**
 * uhmm_group_destroy() - remove a group that nothing is charged to
 *
 * Ranges that were put into it are its parent's then.  No other call on the
 * group may run or follow.
 *
 * Return: 0; -EBUSY while it has groups below or pages, and nothing changed;
 * -EINVAL for the root; -ENODEV.
 */
int uhmm_group_destroy(struct uhmm_group *group);

/**
 * uhmm_group_set_limit() - bound what a group may have
 * @dev: a device, or NULL: RAM; with UHMM_CHARGE_KEEP, RAM and devices together
 * @bytes: 0 means no limit
 *
 * It may be changed at any time.  Above a RAM limit pages of the group and of
 * those below, and of no others, are demoted.  A limit of a device refuses what
 * would pass it with UHMM_WHY_NO_ROOM; what is there already stays.
 *
 * Return: 0; -EINVAL when not whole pages, or for a device of another context;
 * -ENOMEM; -ENODEV.
 */
int uhmm_group_set_limit(struct uhmm_group *group, struct uhmm_device *dev,
			 uint64_t bytes);

/**
 * uhmm_charge() - put a range into a group
 * @group: NULL: the root
 *
 * Manages the range as uhmm_register() does; its pages, those that are there
 * and those to come, are charged to @group from now on.  This goes by 2 MiB of
 * addresses: what else is managed in the first and the last of them goes along.
 * It holds until the range is put elsewhere or is not managed any more;
 * mremap(2) takes it along.  Pages that pass a limit by this call stay; the
 * demoter treats them like touched pages.
 *
 * Return: 0; -EINVAL for an unaligned, empty or wrapping range, or a group of
 * another context; -ENOMEM, -EOPNOTSUPP and -EBUSY as uhmm_register().  On
 * error the range is in the group that it was in.
 */
int uhmm_charge(struct uhmm *u, void *addr, size_t len,
		struct uhmm_group *group);

/**
 * struct uhmm_group_info - what is charged to a group and to those below it
 * @size: set by the caller
 * @pages: pages in RAM, or on the device that was asked about.  The root's are
 *	with the library's frames, but not with UHMM_CHARGE_KEEP: frames are
 *	nobody's pages, and there groups' pages add up
 * @all_pages: pages in RAM, counted as @pages, and on all devices
 * @limit: that of uhmm_group_set_limit(), bytes; 0: none
 * @exceeded: times the limit was passed, since nothing could be demoted; on a
 *	device, and with UHMM_CHARGE_KEEP: or times something was refused for it
 * @nr_children: groups directly below
 * @name: "/" is the root
 */
struct uhmm_group_info {
	size_t size;
	uint64_t pages;
	uint64_t all_pages;
	uint64_t limit;
	uint64_t exceeded;
	uint32_t nr_children;
	char name[UHMM_GROUP_NAME];
};

/**
 * uhmm_group_query() - fill in @ret_info
 * @dev: NULL: RAM
 *
 * While pages move the figures may be off by those.  A page that was only read
 * since it came home counts as RAM, although its device page is kept.
 *
 * Return: 0; -EINVAL; -E2BIG; -ENOMEM; -ENODEV.
 */
int uhmm_group_query(struct uhmm_group *group, struct uhmm_device *dev,
		     struct uhmm_group_info *ret_info);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
