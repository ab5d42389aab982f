/* SPDX-License-Identifier: MIT */
/*
 * device.c - the four devices: a context of uhmm, and a provider with memory
 * that the program cannot reach.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include <uhmm/provider.h>

#include "dmirror.h"

void *device_page(const struct device *d, uhmm_pfn_t entry)
{
	return d->memory + uhmm_pfn_dpfn(entry) * PAGE;
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	const struct device *d = priv;

	for (; nr; seg++, nr--)
		uhmm_copy(d->memory + seg->dpfn * PAGE, seg->ram,
			  seg->npages * PAGE);
	return 0;
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	const struct device *d = priv;

	for (; nr; seg++, nr--)
		uhmm_copy(seg->ram, d->memory + seg->dpfn * PAGE,
			  seg->npages * PAGE);
	return 0;
}

/* Whole, so that nothing of the last owner can come home by mistake. */
static void page_free(void *priv, uint64_t dpfn, size_t npages)
{
	const struct device *d = priv;

	memset(d->memory + dpfn * PAGE, 0xdb, npages * PAGE);
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy_to_devmem,
	.copy_to_ram = copy_to_ram,
	.page_free = page_free,
};

/*
 * The memory of a coherent device is a file, so that it can be mapped for the
 * program, too.  The file stays open.
 */
static int open_coherent(struct device *d, struct uhmm_device_desc *desc)
{
	size_t len = DEVICE_PAGES * PAGE;
	void *p;

	if (d->fd <= 0)
		d->fd = (int)syscall(SYS_memfd_create, "dmirror", MFD_CLOEXEC);
	if (d->fd < 0 || syscall(SYS_ftruncate, d->fd, len))
		return -ENOMEM;
	p = (void *)syscall(SYS_mmap, d->memory, len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, d->fd, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	desc->type = UHMM_MEMORY_DEVICE_COHERENT;
	desc->fd = d->fd;
	return 0;
}

int device_open(struct device *d)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	unsigned nr = (unsigned)(d - shim_get()->devices);
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "hmm_dmirror",
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.flags = UHMM_DEVICE_CONCURRENT,
		.npages = DEVICE_PAGES,
		.ops = &ops,
	};
	int err;

	if (d->dev)
		return 0;
	d->memory = arena_device(nr);
	d->coherent = nr >= 2;
	err = d->coherent ? open_coherent(d, &desc) : 0;
	if (!err)
		err = uhmm_device_add(shim_get()->u, &desc, d, &d->dev);
	if (!err)
		err = uhmm_device_query(d->dev, &info);
	d->id = info.id;
	return err;
}

/* There is no call for it: remove the device, and add it anew. */
int device_empty(struct device *d)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	int err = uhmm_device_query(d->dev, &info);

	if (err || !info.used)
		return err;
	err = uhmm_device_remove(d->dev);
	if (err)
		return err;
	arena_drop(d->memory, DEVICE_PAGES * PAGE);
	d->dev = NULL;
	return device_open(d);
}

/* ---- The context ------------------------------------------------------ */

/* The library's own way is stdio. */
static void log_line(void *arg, int level, const char *msg)
{
	static const char newline = '\n';

	if (level > LOG_WARNING)
		return;
	if (write(STDERR_FILENO, msg, strlen(msg)) < 0 ||
	    write(STDERR_FILENO, &newline, 1) < 0)
		return;
}

int context_open(struct shim *shim)
{
	const char *mode = getenv("UHMM_TEST_MODE");
	struct uhmm_params params = { .size = sizeof(params) };
	uhmm_pfn_t pfn;
	struct uhmm *u;
	int err;

	if (shim->u)
		return 0;
	if (mode && !strcmp(mode, "threads"))
		params.fault_mode = UHMM_FAULTS_THREADS;
	if (mode && !strcmp(mode, "inline"))
		params.fault_mode = UHMM_FAULTS_INLINE;
	err = uhmm_open(&params, &u);
	if (err)
		return err;
	uhmm_set_log(u, log_line, NULL);
	/* liburcu maps memory for its first reader: now, not under an ioctl. */
	uhmm_snapshot(u, shim, PAGE, &pfn);
	shim->u = u;
	return 0;
}
