/* SPDX-License-Identifier: MIT */
/*
 * provider.h - what a device provider implements.  See uhmm-provider(7).
 *
 * A provider includes this header and no other of ours.  The smallest one is
 * two functions: copy_to_devmem() and copy_to_ram().  The core hands out
 * device pages, orders the steps and owns every address in a segment.
 *
 * Callbacks run on threads of uhmm or of the application, in signal handlers
 * too when faults are resolved inline.  They must not touch managed memory,
 * call uhmm, or call malloc(3) outside of open() and release(): memory that
 * the application allocates may be the very memory that is away.  Get memory
 * from uhmm_provider_alloc() instead.
 */
#ifndef UHMM_PROVIDER_H
#define UHMM_PROVIDER_H

#include <stdarg.h>
#include <stdbool.h>

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define UHMM_PROVIDER_ABI 1

/**
 * enum uhmm_memory_type - can the CPU address it?
 * @UHMM_MEMORY_DEVICE_PRIVATE: no; a CPU touch brings the page home
 * @UHMM_MEMORY_DEVICE_COHERENT: yes; a page that is moved there stays mapped at
 *	its address.  Either by a file that maps it (desc.fd), as a NUMA node
 *	(UHMM_DEVICE_NODE), or by the kernel module (UHMM_DEVICE_KMOD)
 *
 * Numbered from 1, so that a forgotten field shows.
 */
enum uhmm_memory_type {
	UHMM_MEMORY_DEVICE_PRIVATE = 1,
	UHMM_MEMORY_DEVICE_COHERENT = 2,
};

/**
 * enum uhmm_device_flags - what a provider can do beyond the least
 * @UHMM_DEVICE_CONCURRENT: callbacks may run on several threads at once, and
 *	copy_to_ram() in a signal handler; otherwise the core serializes them
 * @UHMM_DEVICE_NODE: coherent memory of NUMA node desc.node; the kernel moves
 *	pages there and back, and no callback copies.  Not UHMM_DEVICE_FIXED
 * @UHMM_DEVICE_FIXED: pages are registered, counted and mirrored, but never
 *	migrated: persistent memory under a filesystem, say
 * @UHMM_DEVICE_SHARED: others may read the memory afterwards; pages are cleared
 *	when they are freed, by clear() or by a copy of zeroes
 * @UHMM_DEVICE_FORKS: all that copy_to_ram() and direct() need is private
 *	memory of the process, and they take no lock: so that in a child of
 *	fork(2), where nothing else is called, they find what was there
 * @UHMM_DEVICE_TELLS_WRITES: nobody but copy_to_devmem(), clear() and
 *	copy_peer() writes to a device page until uhmm_mirror_fault() with
 *	UHMM_FAULT_WRITE has entered it, with UHMM_PFN_WRITE, in a mirror of
 *	this device: the frame of a page that is only read is kept, and the page
 *	comes home without a copy
 * @UHMM_DEVICE_KMOD: memory of either type that is pages of the kernel: the
 *	file desc.fd is of /dev/uhmm and has a device.  The kernel module moves
 *	pages there and back, and no callback copies.  No other flag but
 *	UHMM_DEVICE_CONCURRENT
 * @UHMM_DEVICE_RUNS: a long run is cheaper to copy than its pages one by one:
 *	pages that leave together get device pages in long runs, though free
 *	ones in between stay unused for a while
 * @UHMM_DEVICE_SLOW_WRITES: copy_to_devmem() costs much more than to read a
 *	page in RAM twice: what comes home to be read leaves its device page,
 *	and is not copied again if it is the same when it leaves
 */
enum uhmm_device_flags {
	UHMM_DEVICE_CONCURRENT = 1u << 0,
	UHMM_DEVICE_NODE = 1u << 1,
	UHMM_DEVICE_FIXED = 1u << 2,
	UHMM_DEVICE_SHARED = 1u << 3,
	UHMM_DEVICE_FORKS = 1u << 4,
	UHMM_DEVICE_TELLS_WRITES = 1u << 5,
	UHMM_DEVICE_KMOD = 1u << 6,
	UHMM_DEVICE_RUNS = 1u << 7,
	UHMM_DEVICE_SLOW_WRITES = 1u << 8,
};

/**
 * struct uhmm_segment - one run of pages to copy
 *
 * Fixed by UHMM_PROVIDER_ABI: it never grows.
 *
 * @dpfn: first device page; the run is consecutive there too
 * @ram: first byte in RAM: a frame that the core owns, never the address that
 *	faulted, so that reading or writing it cannot fault
 * @npages: length of the run
 */
struct uhmm_segment {
	uint64_t dpfn;
	void *ram;
	size_t npages;
};

struct uhmm_device_desc;

/**
 * struct uhmm_device_usage - what a device holds, and in how much memory
 * @size: sizeof(struct uhmm_device_usage), set by the library
 * @ram: bytes of this machine's RAM that the device takes now, its tables among
 *	them; 0 for memory that is not the machine's
 * @data: bytes of the pages that are held, before they were packed
 * @compressed: bytes that they are packed in; of @ram
 * @same: pages that repeat one word, kept without memory; of @data
 * @zero: those of them that are zeroes
 * @huge: pages that do not compress, kept as they are; of @data
 *
 * A figure that the provider does not have stays 0.
 */
struct uhmm_device_usage {
	size_t size;
	uint64_t ram;
	uint64_t data;
	uint64_t compressed;
	uint64_t same;
	uint64_t zero;
	uint64_t huge;
};

/**
 * struct uhmm_peer_segment - one run of pages from device to device
 *
 * Fixed by UHMM_PROVIDER_ABI: it never grows.
 *
 * @src, @dst: the first device page on either; consecutive on both
 * @npages: length of the run
 */
struct uhmm_peer_segment {
	uint64_t src;
	uint64_t dst;
	size_t npages;
};

/**
 * struct uhmm_device_ops - a device's callbacks; NULL means not supported
 */
struct uhmm_device_ops {
	size_t size;

	/**
	 * @copy_to_devmem: RAM to device, required.  0: every segment is
	 * copied.  -errno: none counts as copied, the RAM side stays the
	 * truth; -ENOSPC says that the device is really full, -ENODEV that
	 * it is gone, as by uhmm_device_lost().  A page that is touched
	 * meanwhile can change while it is read; what became of its copy
	 * does not matter then, and the device page is freed.
	 */
	int (*copy_to_devmem)(void *priv, const struct uhmm_segment *seg,
			      size_t nr);

	/**
	 * @copy_to_ram: device to RAM, required.  0: every segment is copied;
	 * the device's copy stays until page_free().  -errno: what is in RAM
	 * is ignored; the core tries again, then poisons the page.  -ENODEV:
	 * the device is gone, as by uhmm_device_lost().
	 */
	int (*copy_to_ram)(void *priv, const struct uhmm_segment *seg,
			   size_t nr);

	/**
	 * @clear: make pages zero without a copy.  NULL: the core copies
	 * zeroes.
	 */
	int (*clear)(void *priv, uint64_t dpfn, size_t npages);

	/**
	 * @direct: where the CPU can read device pages at this moment, or NULL
	 * when it cannot.  Valid until page_free() of them.  Saves a copy.
	 */
	const void *(*direct)(void *priv, uint64_t dpfn, size_t npages);

	/**
	 * @page_free: the core has no use for the pages any more; they must
	 * not be readable by their next owner.  May run on a handler thread.
	 */
	void (*page_free)(void *priv, uint64_t dpfn, size_t npages);

	/** @stored: bytes of memory in use for the pages held now. */
	uint64_t (*stored)(void *priv);

	/** @release: the last call for @priv; no page is held any more. */
	void (*release)(void *priv);

	/**
	 * @copy_peer: from another device straight to this one.  @src is that
	 * device: compare its ops to know its provider.  0: every segment is
	 * copied.  -EOPNOTSUPP or any other error, or NULL: the core copies
	 * through RAM.
	 */
	int (*copy_peer)(void *priv, const struct uhmm_device_desc *src,
			 void *src_priv, const struct uhmm_peer_segment *seg,
			 size_t nr);

	/**
	 * @usage: fill in @ret_usage, which is zeroed but for its size.  Called
	 * often, beside every other callback: it only reads counters, and takes
	 * no lock.  0, or -errno: it cannot tell now.
	 */
	int (*usage)(void *priv, struct uhmm_device_usage *ret_usage);
};

/**
 * struct uhmm_device_desc - a device to be added
 * @size: sizeof(struct uhmm_device_desc)
 * @name: for people; copied
 * @type: enum uhmm_memory_type
 * @flags: enum uhmm_device_flags
 * @npages: dpfn 0..npages-1 will be handed out
 * @ops: must outlive the device
 * @fd: of coherent memory that is no node: mmap(2) with MAP_SHARED, at
 *	@offset + dpfn * uhmm_page_size(), maps device page dpfn.  Or the file
 *	of UHMM_DEVICE_KMOD.  Stays the provider's
 * @node: of UHMM_DEVICE_NODE
 * @offset: bytes
 * @gone: NULL, or a futex word that becomes 1 when the device is lost: a call
 *	that waits for its device may wait for this too.  Must outlive release()
 */
struct uhmm_device_desc {
	size_t size;
	const char *name;
	uint32_t type;
	uint32_t flags;
	uint64_t npages;
	const struct uhmm_device_ops *ops;
	int32_t fd;
	int32_t node;
	uint64_t offset;
	uint32_t *gone;
};

/**
 * uhmm_device_add() - add a device to a context
 * @priv: given to each callback; owned by the device on success, until
 *	release()
 *
 * Return: 0; -EINVAL for a descriptor without name, size, required callbacks
 * or with unknown type or flags, or where the file of coherent memory has not
 * as many pages; -EBADF for its descriptor; -E2BIG; -ENOSPC for more than 255
 * devices; -ENOMEM.
 */
int uhmm_device_add(struct uhmm *u, const struct uhmm_device_desc *desc,
		    void *priv, struct uhmm_device **ret_dev);

/* ---- Providers by name ------------------------------------------------- */

/**
 * struct uhmm_option - a key of a specification
 *
 * Fixed by UHMM_PROVIDER_ABI: it never grows.
 *
 * @key: "level"
 * @fallback: its value when not given; NULL when it must be given
 * @help: one line
 */
struct uhmm_option {
	const char *key;
	const char *fallback;
	const char *help;
};

/**
 * struct uhmm_found - something on this machine that a device can be made of
 * @size: sizeof(struct uhmm_found)
 * @spec: a specification without a size, as "opencl:platform=0,device=1"
 * @name: for people
 * @bytes: its memory; 0 if that is not known
 * @max_bytes: the largest device that can be made of it; 0: as @bytes
 */
struct uhmm_found {
	size_t size;
	const char *spec;
	const char *name;
	uint64_t bytes;
	uint64_t max_bytes;
};

/** uhmm_found_fn - gets what is found; valid during the call only */
typedef void uhmm_found_fn(void *arg, const struct uhmm_found *found);

/**
 * struct uhmm_provider - how to make devices from a specification
 * @size: sizeof(struct uhmm_provider)
 * @abi: UHMM_PROVIDER_ABI
 * @name: the word before the colon
 * @summary: one line
 * @options: ends with a NULL key; NULL for none
 * @open: fill in @desc (its name and size are set, npages from SIZE) and
 *	*@ret_priv.  @values are in the order of @options, and valid during the
 *	call only.  -errno refuses.
 * @wrap: a wrapper instead of a provider: as @open, on top of the device
 *	described by @inner and @inner_priv, which the wrapper owns on success
 *	and releases by inner->ops->release in its own release().  Exactly one
 *	of @open and @wrap is set.
 * @list: call @fn for each thing on this machine that @open can make a device
 *	of; NULL: there is nothing to choose from.  -errno: there is none, and
 *	@ret_why, of @len bytes, has one sentence that says why and what would
 *	mend it
 */
struct uhmm_provider {
	size_t size;
	unsigned abi;
	const char *name;
	const char *summary;
	const struct uhmm_option *options;
	int (*open)(const char *const *values, struct uhmm_device_desc *desc,
		    void **ret_priv);
	int (*wrap)(const char *const *values,
		    const struct uhmm_device_desc *inner, void *inner_priv,
		    struct uhmm_device_desc *desc, void **ret_priv);
	int (*list)(uhmm_found_fn *fn, void *arg, char *ret_why, size_t len);
};

/**
 * uhmm_provider_register() - make a provider known to uhmm_device_open()
 * @provider: must stay valid for the life of the process
 *
 * Return: 0; -EINVAL for a malformed one; -EEXIST for a name in use; -ENOSPC.
 */
int uhmm_provider_register(const struct uhmm_provider *provider);

/**
 * uhmm_provider_next() - walk the known providers
 * @prev: the provider before; NULL: begin
 *
 * Return: the next provider; NULL after the last.
 */
const struct uhmm_provider *
uhmm_provider_next(const struct uhmm_provider *prev);

/**
 * struct uhmm_module - a provider in a library that is loaded on demand
 * @size: sizeof(struct uhmm_module)
 * @abi: UHMM_PROVIDER_ABI
 * @provider: its name is that of the file, without the ".so"
 *
 * The library exports one, under the name uhmm_module.
 */
struct uhmm_module {
	size_t size;
	unsigned abi;
	const struct uhmm_provider *provider;
};

extern const struct uhmm_module uhmm_module; /* a module's, not ours */

/**
 * uhmm_module_path() - where modules are looked for
 *
 * Return: folders with colons between, searched from the first on: that of the
 * installation, or those of the variable UHMM_MODULES, except in a process that
 * runs with raised privilege.  An empty one is that of the installation.
 */
const char *uhmm_module_path(void);

/**
 * uhmm_module_load() - have a provider that may be in a module
 * @name: lower-case letters, digits, - and _; not "lib..."
 * @ret_why: one sentence, when it fails
 * @len: bytes there
 *
 * uhmm_device_open() does this by itself.  A module stays loaded.
 *
 * Return: 0, also when the provider is known already; -ENOENT: there is no
 * such module; -ENODEV: it, or a library that it needs, cannot be loaded;
 * -ENOEXEC: it is for another version, or no module; -EINVAL.
 */
int uhmm_module_load(const char *name, char *ret_why, size_t len);

/**
 * uhmm_device_priv() - what a provider made of a device
 * @ops: the provider's own: tells that the device is one of its
 *
 * For libraries that do more with their device than move pages.
 *
 * Valid until release(): a device that is lost is released at once.
 *
 * Return: as given to uhmm_device_add(); NULL for a device that is lost, or has
 * other callbacks, one in a wrapper among them.
 */
void *uhmm_device_priv(struct uhmm_device *dev,
		       const struct uhmm_device_ops *ops);

/**
 * uhmm_provider_fail() - say why a callback fails, where its errno says little
 * @err: the callback's error
 * @fmt: one sentence, without the name of the device; as uhmm_format()
 *
 * For open(), wrap() and each callback that copies, on the thread that it was
 * called on: "return uhmm_provider_fail(-ENODEV, "there is no card %u", nr);".
 * The sentence stands in the message about the failure.
 *
 * Return: @err.
 */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
int
uhmm_provider_fail(int err, const char *fmt, ...);

/**
 * uhmm_provider_alloc() - zeroed memory that is never managed
 *
 * Page granular, straight from the kernel; for pools, not for small objects.
 *
 * Return: NULL when there is none.
 */
void *uhmm_provider_alloc(size_t len);

/** uhmm_provider_free() - give back what uhmm_provider_alloc() gave */
void uhmm_provider_free(void *p, size_t len);

/**
 * uhmm_fd_keep() - have a descriptor out of the application's way
 * @fd: close-on-exec, or negative: then nothing is done
 *
 * For those that stay open.  It gets a high number, and uhmm_fd_next() tells of
 * it until uhmm_fd_close().
 *
 * Return: its number from now on; @fd where no other can be had.
 */
int uhmm_fd_keep(int fd);

/**
 * uhmm_fd_usable() - is a kept descriptor still the file that it was?
 * @fd: from uhmm_fd_keep()
 *
 * An application can close any descriptor, or put another file in its place.
 * Ask before and after a call that would read or write the wrong file then.
 * What was closed is put back where the kernel can do that.
 *
 * Return: true.  Where the file is not there any more the process ends with a
 * message; false in a child of vfork(2), where it must not.
 */
bool uhmm_fd_usable(int fd);

/**
 * uhmm_fd_close() - close what uhmm_fd_keep() returned
 * @fd: nothing is done when it is negative, or another file by now
 */
void uhmm_fd_close(int fd);

/**
 * uhmm_copy() - copy with non-temporal stores where that is faster
 *
 * For page-aligned runs between RAM and CPU-addressable device memory.  The
 * copy is visible to all when it returns.
 */
void uhmm_copy(void *dst, const void *src, size_t len);

/**
 * uhmm_vformat() - text from numbers and strings, by nothing of the C library
 * @len: bytes at @ret_text, 1 at least
 *
 * As vsnprintf(3) in the C locale.  vsnprintf(3) reads the locale and the
 * program's own conversions, which may be in memory that is away, and so must
 * not be called in a callback.
 *
 * Conversions: d i u x c s p f %; flags: # 0 -; a width, a precision (of s and
 * f, of the latter 9 at most); lengths: hh h l ll z j t.  Anything else is
 * copied as it stands, and ends the conversions.
 *
 * Return: bytes written, without the final NUL.  What does not fit is cut off.
 */
size_t uhmm_vformat(char *ret_text, size_t len, const char *fmt, va_list ap);

/**
 * uhmm_format() - uhmm_vformat() with the arguments of snprintf(3)
 *
 * Return: as uhmm_vformat().
 */
#ifdef __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
size_t
uhmm_format(char *ret_text, size_t len, const char *fmt, ...);

/** uhmm_parse_size() - "64K", "2MiB", "1.5G", "4096".  Return: 0 or -EINVAL. */
int uhmm_parse_size(const char *s, uint64_t *ret_bytes);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
