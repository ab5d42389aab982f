/* SPDX-License-Identifier: MIT */
/*
 * opencl.h - kernels over plain pointers.  See uhmm-opencl(7).
 *
 * A kernel of OpenCL C that includes nothing but <uhmm/uhmm.cl.h> accesses the
 * process's private memory by its addresses: pages come to the device as they
 * are missed, and go home when the CPU touches them.  Kernels may use more
 * memory than the device has.
 *
 * In libuhmm-opencl.  Calls return 0 or -errno and never set errno.  A struct
 * uhmm_cl runs one kernel at a time: a second caller waits.  No call may be
 * made in a callback of a provider.
 */
#ifndef UHMM_OPENCL_H
#define UHMM_OPENCL_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm_cl;	       /* a device that runs kernels */
struct uhmm_cl_kernel; /* a kernel, built */

/**
 * uhmm_cl_open() - open a device, and run kernels there
 * @spec: as for uhmm_device_open(), of the provider opencl without a wrapper
 * @ret_cl: to be closed by uhmm_cl_close(), before its context
 *
 * Return: 0; -EOPNOTSUPP for copy=direct where the CPU cannot reach the memory;
 * else what uhmm_device_open() and uhmm_cl_attach() return.
 */
int uhmm_cl_open(struct uhmm *u, const char *spec, struct uhmm_cl **ret_cl);

/**
 * uhmm_cl_attach() - run kernels on a device that is open
 * @dev: of the provider opencl without a wrapper; stays the caller's, and must
 *	not be removed before uhmm_cl_close()
 *
 * Return: 0; -EINVAL for another device; -ENOMEM; -ENODEV; or the errors of
 * uhmm_mirror_add().
 */
int uhmm_cl_attach(struct uhmm *u, struct uhmm_device *dev,
		   struct uhmm_cl **ret_cl);

/**
 * uhmm_cl_close() - no more kernels
 *
 * A device that uhmm_cl_open() has opened is removed, and its pages come home.
 * Kernels that were built become invalid.  No other call on @cl may run or
 * follow.
 *
 * Return: 0; -EBUSY: pages could not come home, the device stays as it is.
 */
int uhmm_cl_close(struct uhmm_cl *cl);

/**
 * uhmm_cl_device() - the device behind @cl, for uhmm_migrate() and others
 *
 * Return: NULL only when @cl is NULL.
 */
struct uhmm_device *uhmm_cl_device(struct uhmm_cl *cl);

/**
 * uhmm_cl_message() - why the last call failed
 *
 * Return: one sentence, never NULL; after uhmm_cl_build() the compiler's words.
 * Valid until the next call on @cl.
 */
const char *uhmm_cl_message(struct uhmm_cl *cl);

/**
 * uhmm_cl_build() - compile a program
 * @source: OpenCL C; <uhmm/uhmm.cl.h> is put in front of it
 * @options: for the compiler, or NULL
 * @name: of the kernel; the kernel's first parameters are UHMM_ARGS
 *
 * Return: 0; -ENOEXEC: it does not compile; -ENOENT: it has no such kernel;
 * -EINVAL; -ENOMEM; -EOPNOTSUPP: there is no compiler; -ENODEV.
 */
int uhmm_cl_build(struct uhmm_cl *cl, const char *source, const char *options,
		  const char *name, struct uhmm_cl_kernel **ret_kernel);

/** uhmm_cl_free() - a kernel is not needed any more.  NULL does nothing. */
void uhmm_cl_free(struct uhmm_cl_kernel *kernel);

/**
 * enum uhmm_cl_kind - what an argument of a kernel is
 * @UHMM_CL_POINTER: an address of the process; the kernel gets a ulong
 * @UHMM_CL_VALUE: bytes, as a scalar or a vector
 * @UHMM_CL_LOCAL: local memory
 */
enum uhmm_cl_kind {
	UHMM_CL_POINTER = 1,
	UHMM_CL_VALUE,
	UHMM_CL_LOCAL,
};

/**
 * struct uhmm_cl_arg - an argument, behind UHMM_ARGS
 * @size: sizeof(struct uhmm_cl_arg), the same in all of an array
 * @kind: enum uhmm_cl_kind
 * @reserved: 0
 * @len: bytes of a value (at most 128) or of local memory; else 0
 * @value: the address itself, or where the value is
 */
struct uhmm_cl_arg {
	size_t size;
	uint32_t kind;
	uint32_t reserved;
	uint64_t len;
	const void *value;
};

#define UHMM_CL_PTR(p)                                                       \
	{                                                                    \
		.size = sizeof(struct uhmm_cl_arg), .kind = UHMM_CL_POINTER, \
		.value = (p)                                                 \
	}
#define UHMM_CL_VAL(v)                                                     \
	{                                                                  \
		.size = sizeof(struct uhmm_cl_arg), .kind = UHMM_CL_VALUE, \
		.len = sizeof(v), .value = &(v)                            \
	}

/**
 * enum uhmm_cl_range_flags - what to do with an array
 * @UHMM_CL_AHEAD: bring it before the launch, as far as there is room
 * @UHMM_CL_WRITTEN: and so that the kernel can write to it; without this the
 *	first write to a page is missed, if its frame is kept (option keep)
 */
enum uhmm_cl_range_flags {
	UHMM_CL_AHEAD = 1u << 0,
	UHMM_CL_WRITTEN = 1u << 1,
};

/**
 * struct uhmm_cl_range - an array that a kernel uses
 * @size: sizeof(struct uhmm_cl_range), the same in all of an array
 * @addr, @len: need not be aligned
 * @flags: enum uhmm_cl_range_flags; without any, a miss in the array brings
 *	what lies next to it, too
 */
struct uhmm_cl_range {
	size_t size;
	const void *addr;
	size_t len;
	uint64_t flags;
};

/**
 * struct uhmm_cl_launch - what to run
 * @size: sizeof(struct uhmm_cl_launch)
 * @dims: 1 to 3
 * @flags: 0
 * @global: work-items
 * @local: work-items of a group, by which @global can be divided; all 0: as
 *	the implementation likes it
 * @args, @nr_args: at most 32
 * @ranges, @nr_ranges: arrays that are known; none is needed
 */
struct uhmm_cl_launch {
	size_t size;
	uint32_t dims;
	uint32_t flags;
	uint64_t global[3];
	uint64_t local[3];
	const struct uhmm_cl_arg *args;
	uint64_t nr_args;
	const struct uhmm_cl_range *ranges;
	uint64_t nr_ranges;
};

/**
 * struct uhmm_cl_stats - what a run took
 * @size: set by the caller
 * @faults: pages that were missed
 * @rounds: launches
 * @splits: times that work was cut in two, since its pages did not fit
 * @bytes_in: to the device, by anyone
 * @bytes_out: from it, by anyone: home by a touch of the CPU, too
 * @evicted: pages that went home to make room
 * @written: pages on the device that kernels have written to since they came
 */
struct uhmm_cl_stats {
	size_t size;
	uint64_t faults;
	uint64_t rounds;
	uint64_t splits;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t evicted;
	uint64_t written;
};

/**
 * uhmm_cl_run() - run a kernel until all its work-items are done
 * @ret_stats: filled in, also on failure; or NULL
 *
 * Launches the kernel, brings the pages that it missed and launches again.  A
 * work-item begins anew each time until it reaches UHMM_END.  Where the pages
 * of a launch do not fit on the device at once, it is run in parts; pages that
 * were not used for long go home to make room.  The CPU may use all memory
 * meanwhile, also the kernel's: a page that the CPU touches comes home when the
 * current launch has ended.  On return the kernel's results can be read at
 * their addresses.
 *
 * Blocks on the device.
 *
 * Return: 0; -EINVAL for a malformed launch; -E2BIG; -EFAULT: the kernel
 * accessed memory that is not mapped, or that has lost its data; -EPERM: the
 * kernel wrote to memory that the CPU may not write to; -EOPNOTSUPP: the kernel
 * accessed memory that cannot migrate, such as a file's; -EBUSY: a page stays
 * in RAM, since it is pinned, locked, or in steady use by the CPU; -ENOSPC: one
 * work-group needs more pages than the device has; -ENODEV: the device is lost;
 * -ENOMEM; -EIO.  Work-items that ran before an error have had their effects.
 */
int uhmm_cl_run(struct uhmm_cl_kernel *kernel,
		const struct uhmm_cl_launch *launch,
		struct uhmm_cl_stats *ret_stats);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
