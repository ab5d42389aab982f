/* SPDX-License-Identifier: MIT */
/* snapshot.c - the ioctl that tells what a device would see, a byte a page. */
#include <string.h>

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
