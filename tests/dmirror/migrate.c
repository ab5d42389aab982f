/* SPDX-License-Identifier: MIT */
/*
 * migrate.c - ioctls that move pages, as strict as the kernel's driver: only
 * RAM goes to a device, a page on another device stays there, and shared
 * memory does not move.  A page that did not go has no entry, so that reading
 * the range through the device's table answers -ENOENT.
 *
 * Pages of a private file mapping that the program wrote are anonymous to the
 * kernel, but userfaultfd(2) does not take mappings of most files.  Such pages
 * are replaced by an anonymous mapping with the same data first.  That is not
 * atomic: the program must not write there meanwhile, and what it truncates
 * from the file stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmirror.h"

/* Does a page belong to a move? */
typedef bool select_fn(const struct file *f, uhmm_pfn_t pfn);

/**
 * struct move - a move under way
 * @to: NULL is RAM
 * @select: which pages
 * @moved: how many pages went
 */
struct move {
	struct file *file;
	struct uhmm_device *to;
	select_fn *select;
	uint64_t moved;
};

static bool is_system(const struct file *f, uhmm_pfn_t pfn)
{
	return !uhmm_pfn_device(pfn) && !(pfn & UHMM_PFN_ERROR);
}

static bool is_local(const struct file *f, uhmm_pfn_t pfn)
{
	return pfn & UHMM_PFN_VALID && uhmm_pfn_device(pfn) == f->device->id;
}

/* Enter what has arrived; what the CPU took back at once is not there. */
static void enter(struct move *m, uintptr_t addr, const uint8_t *why, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && why[end] == why[i]; end++)
			;
		if (why[i] != UHMM_WHY_OK)
			continue;
		m->moved += end - i;
		if (m->to)
			uhmm_mirror_fault(m->file->mirror,
					  (void *)(addr + i * PAGE),
					  (end - i) * PAGE, UHMM_FAULT_PRESENT);
	}
}

static void move_run(struct move *m, uintptr_t addr, size_t n)
{
	uint8_t why[BATCH];

	if (n && uhmm_migrate_why(shim_get()->u, (void *)addr, n * PAGE, m->to,
				  why) >= 0)
		enter(m, addr, why, n);
}

/*
 * A large page that is not to be had is replaced by small ones; where that was
 * a small one, the page stays.
 */
static void move_selected(struct move *m, uintptr_t addr, size_t n)
{
	bool fails = m->file->flags & DMIRROR_FAIL_ALLOC;
	bool large = n == BATCH && addr % (BATCH * PAGE) == 0;

	m->file->flags &= ~(uint64_t)DMIRROR_FAIL_ALLOC;
	if (!fails)
		move_run(m, addr, n);
	else if (!large)
		move_run(m, addr + PAGE, n - 1);
	for (size_t i = 0; fails && large && i < n; i++)
		move_run(m, addr + i * PAGE, 1);
}

/* At most BATCH pages of one mapping. */
static int move_batch(struct move *m, uintptr_t addr, size_t n)
{
	uhmm_pfn_t pfns[BATCH];
	int err = uhmm_snapshot(shim_get()->u, (void *)addr, n * PAGE, pfns);

	for (size_t i = 0, end; i < n && !err; i = end) {
		bool selected = m->select(m->file, pfns[i]);

		for (end = i + 1; end < n; end++)
			if (m->select(m->file, pfns[end]) != selected)
				break;
		if (selected)
			move_selected(m, addr + i * PAGE, end - i);
	}
	return err;
}

static int move_range(struct move *m, uintptr_t addr, size_t npages)
{
	int err = 0;

	while (npages && !err) {
		size_t n = npages < BATCH ? npages : BATCH;

		err = move_batch(m, addr, n);
		addr += n * PAGE;
		npages -= n;
	}
	return err;
}

/* ---- Private file mappings -------------------------------------------- */

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_FILE	(UINT64_C(1) << 61)

/* @ret[i]: the program has its own copy of page i.  @n is at most BATCH. */
static int find_copies(uintptr_t addr, size_t n, bool *ret)
{
	uint64_t entry[BATCH];
	long got;
	int fd;

	fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap",
			  O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = syscall(SYS_pread64, fd, entry, n * sizeof(*entry),
		      addr / PAGE * sizeof(*entry));
	syscall(SYS_close, fd);
	if (got != (long)(n * sizeof(*entry)))
		return -EIO;
	for (size_t i = 0; i < n; i++)
		ret[i] = entry[i] & PAGEMAP_PRESENT &&
			 !(entry[i] & PAGEMAP_FILE);
	return 0;
}

/* Put memory with the data of a range in its place. */
static int replace(uintptr_t addr, size_t len, int prot)
{
	struct uhmm *u = shim_get()->u;
	long p = syscall(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = -EFAULT;

	if (p == -1)
		return -errno;
	if (vm_read((void *)p, addr, len) == len &&
	    !syscall(SYS_mprotect, p, len, prot))
		err = uhmm_notify_begin(u, (void *)addr, len,
					UHMM_NOTIFY_UNMAP);
	if (!err) {
		if (syscall(SYS_mremap, p, len, len,
			    MREMAP_MAYMOVE | MREMAP_FIXED, addr) == -1)
			err = -errno;
		uhmm_notify_end(u, (void *)addr, len);
	}
	if (err)
		syscall(SYS_munmap, p, len);
	return err;
}

static int move_copies(struct move *m, const struct vma *v, uintptr_t addr,
		       size_t n)
{
	bool own[BATCH];
	int err = find_copies(addr, n, own);

	for (size_t i = 0, end; i < n && !err; i = end) {
		for (end = i + 1; end < n && own[end] == own[i]; end++)
			;
		if (!own[i])
			continue;
		err = replace(addr + i * PAGE, (end - i) * PAGE, v->prot);
		if (!err)
			err = move_range(m, addr + i * PAGE, end - i);
	}
	return err;
}

/* ---- Ioctls ----------------------------------------------------------- */

static int move_mapping(void *arg, const struct vma *v, uintptr_t start,
			uintptr_t end)
{
	struct move *m = arg;
	int err = 0;

	/* Coherent pages are in shared mappings; nothing else there moves. */
	if (v->shared && m->to)
		return 0;
	if (v->anon || v->shared)
		return move_range(m, start, (end - start) / PAGE);
	for (; start < end && m->to && !err; start += BATCH * PAGE) {
		size_t n = (end - start) / PAGE;

		err = move_copies(m, v, start, n < BATCH ? n : BATCH);
	}
	return err;
}

static int move(struct move *m, struct dmirror_cmd *cmd)
{
	return vma_walk(cmd->addr, cmd->addr + cmd->npages * PAGE, move_mapping,
			m);
}

int migrate_to_device(struct file *f, struct dmirror_cmd *cmd)
{
	struct move m = { .file = f,
			  .to = f->device->dev,
			  .select = is_system };
	int err = move(&m, cmd);

	return err ? err : access_return(f, cmd);
}

int migrate_to_system(struct file *f, struct dmirror_cmd *cmd)
{
	struct move m = { .file = f, .select = is_local };
	int err = move(&m, cmd);

	cmd->cpages = m.moved;
	return err;
}
