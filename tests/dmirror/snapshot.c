/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - the ioctl that tells what a device would see, a byte a page; and
 * what /proc/self/pagemap says of pages that are there, which are swap to it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dmirror.h"

static unsigned char to_byte(const struct file *f, uhmm_pfn_t pfn)
{
	unsigned char byte = PROT_BYTE_NONE;

	if (pfn & UHMM_PFN_ERROR)
		return PROT_BYTE_ERROR;
	if (!(pfn & UHMM_PFN_VALID))
		return PROT_BYTE_NONE;
	if (uhmm_pfn_device(pfn))
		byte = f->device->coherent ? PROT_BYTE_COHERENT_LOCAL :
					     PROT_BYTE_PRIVATE_LOCAL;
	else if (pfn & UHMM_PFN_ZERO)
		byte = PROT_BYTE_ZERO;
	byte |= pfn & UHMM_PFN_WRITE ? PROT_BYTE_WRITE : PROT_BYTE_READ;
	if (uhmm_pfn_order(pfn) == 9)
		byte |= PROT_BYTE_PMD;
	if (uhmm_pfn_order(pfn) == 18)
		byte |= PROT_BYTE_PUD;
	return byte;
}

int snapshot_take(struct file *f, struct dmirror_cmd *cmd)
{
	uhmm_pfn_t pfns[BATCH];
	int err = 0;

	while (cmd->cpages < cmd->npages && !err) {
		uintptr_t addr = cmd->addr + cmd->cpages * PAGE;
		size_t n = cmd->npages - cmd->cpages;

		n = n < BATCH ? n : BATCH;
		err = uhmm_mirror_snapshot(f->mirror, (void *)addr, n * PAGE,
					   pfns);
		for (size_t i = 0; i < n && !err; i++)
			f->bounce[i] = to_byte(f, pfns[i]);
		if (!err && f->device->coherent)
			err = coherent_remote(f, addr, n, f->bounce);
		if (!err)
			err = copy_to_program(cmd->ptr + cmd->cpages, f->bounce,
					      n);
		cmd->cpages += n;
	}
	return err;
}

/* ---- /proc/self/pagemap ----------------------------------------------- */

#define PM_SWAP (UINT64_C(1) << 62)

bool snapshot_is_pagemap(int fd)
{
	static const char name[] = "/pagemap";
	char link[32], path[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path));
	return len > (ssize_t)sizeof(name) && !memcmp(path, "/proc/", 6) &&
	       !memcmp(path + len + 1 - sizeof(name), name, sizeof(name) - 1);
}

static bool is_private(const struct shim *shim, uhmm_pfn_t pfn)
{
	unsigned id = uhmm_pfn_device(pfn);

	for (unsigned i = 0; id && i < NR_DEVICES; i++)
		if (shim->devices[i].dev && shim->devices[i].id == id)
			return !shim->devices[i].coherent;
	return false;
}

void snapshot_mark(uint64_t *entries, size_t n, uintptr_t addr)
{
	const struct shim *shim = shim_get();
	uhmm_pfn_t pfns[BATCH];

	for (size_t k; shim->u && n; n -= k, entries += k, addr += k * PAGE) {
		k = n < BATCH ? n : BATCH;
		if (uhmm_snapshot(shim->u, (void *)addr, k * PAGE, pfns))
			continue;
		for (size_t i = 0; i < k; i++)
			if (is_private(shim, pfns[i]))
				entries[i] |= PM_SWAP;
	}
}
