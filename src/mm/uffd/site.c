/* SPDX-License-Identifier: MIT */
/*
 * site.c - sites of either kind: the kernel is asked by move_pages(2) about
 * NUMA nodes, and by calls of the kernel module about its devices.
 *
 * move_pages(2) does not see pages on a device of the module.  Without a node
 * that is a device it is not called: then a page that is on no device is home.
 */
#include <stdatomic.h>
#include <string.h>

#include <uhmm/uhmm.h>

#include "mm/uffd/uffd.h"

static bool has_nodes(struct uffd *b)
{
	return atomic_load(&b->nodes.nr_avoided) || !uffd_has_kmod(b);
}

int uffd_site_look(struct mm *mm, struct mm_sites *n)
{
	struct uffd *b = to_uffd(mm);
	bool nodes = has_nodes(b);
	int err = nodes ? uffd_node_look(mm, n) : 0;

	if (err || !uffd_has_kmod(b))
		return err;
	return uffd_kmod_look(b, n, !nodes);
}

/* Home from devices of both kinds; a page is on one of them at most. */
static void move_home_from_all(struct mm *mm, struct mm_sites *n)
{
	struct mm_sites nodes = *n;
	struct uffd *b = to_uffd(mm);

	uffd_kmod_move(b, n);
	if (!has_nodes(b))
		return;
	uffd_node_move(mm, &nodes);
	set_for_each(&n->set, i)
		if (!n->why[i])
			n->why[i] = nodes.why[i];
}

void uffd_site_move(struct mm *mm, struct mm_sites *n)
{
	struct uffd *b = to_uffd(mm);

	if (n->to >= MM_KMOD_SITES)
		uffd_kmod_move(b, n);
	else if (n->to == MM_SITE_HOME && uffd_has_kmod(b))
		move_home_from_all(mm, n);
	else
		uffd_node_move(mm, n);
}
