/* SPDX-License-Identifier: MIT */
/*
 * access.c - ioctls by which the device reads and writes, with the rules of
 * the kernel's driver: what has no entry is faulted, the rest of the range at
 * once, and counts as one fault; the program's buffer is written only when all
 * of it was read.
 */
#include <errno.h>
#include <time.h>

#include "dmirror.h"

/* As the kernel's: then the answer is -EBUSY. */
#define TIMEOUT_NS INT64_C(1000000000)

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int fault(struct file *f, uintptr_t addr, size_t npages, unsigned flags)
{
	int err;

	f->exclusive = flags & UHMM_FAULT_EXCLUSIVE;
	err = uhmm_mirror_fault(f->mirror, (void *)addr, npages * PAGE, flags);
	f->exclusive = false;
	return err;
}

typedef size_t copy_fn(struct file *f, uintptr_t addr, void *data, size_t n);

/* Copy all pages, and fault those that have no entry. */
static int copy_all(struct file *f, struct dmirror_cmd *cmd, copy_fn *copy,
		    unsigned flags)
{
	int64_t end = now_ns() + TIMEOUT_NS;

	for (;;) {
		uintptr_t addr = cmd->addr + cmd->cpages * PAGE;
		size_t rest = cmd->npages - cmd->cpages;
		int err;

		cmd->cpages +=
			copy(f, addr, f->bounce + cmd->cpages * PAGE, rest);
		addr = cmd->addr + cmd->cpages * PAGE;
		rest = cmd->npages - cmd->cpages;
		if (!rest)
			return 0;
		if (now_ns() > end)
			return -EBUSY;
		err = fault(f, addr, rest, flags);
		if (err)
			return err;
		cmd->faults++;
	}
}

int access_read(struct file *f, struct dmirror_cmd *cmd)
{
	int err = copy_all(f, cmd, table_read, 0);

	return err ? err :
		     copy_to_program(cmd->ptr, f->bounce, cmd->npages * PAGE);
}

int access_write(struct file *f, struct dmirror_cmd *cmd)
{
	int err = copy_from_program(f->bounce, cmd->ptr, cmd->npages * PAGE);

	return err ? err : copy_all(f, cmd, table_write, UHMM_FAULT_WRITE);
}

int access_return(struct file *f, struct dmirror_cmd *cmd)
{
	cmd->cpages = table_read(f, cmd->addr, f->bounce, cmd->npages);
	if (cmd->cpages < cmd->npages)
		return -ENOENT;
	return copy_to_program(cmd->ptr, f->bounce, cmd->npages * PAGE);
}

/* Whatever keeps a page from being exclusive, the kernel's says -EBUSY. */
int access_exclusive(struct file *f, struct dmirror_cmd *cmd)
{
	if (fault(f, cmd->addr, cmd->npages, UHMM_FAULT_EXCLUSIVE))
		return -EBUSY;
	return access_return(f, cmd);
}

int access_is_atomic(struct file *f, struct dmirror_cmd *cmd)
{
	for (uint64_t i = 0; i < cmd->npages; i++)
		if (table_entry(f, cmd->addr + i * PAGE) & ENTRY_EXCLUSIVE)
			return -EPERM;
	return 0;
}
