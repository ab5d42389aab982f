/* SPDX-License-Identifier: MIT */
/* store.h - a device that watches the core: its memory, calls and errors. */
#ifndef UHMM_STORE_H
#define UHMM_STORE_H

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/context/context.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "mm/fake/fake.h"
#include "mm/mm.h"
#include "test.h"

#define PAGE ((size_t)MM_PAGE_SIZE)

enum store_call {
	STORE_IN,
	STORE_OUT,
	STORE_CLEAR,
	STORE_DIRECT,
	STORE_FREE,
	STORE_NR_CALLS,
};

/*
 * Memory that knows which of its pages hold data.
 * @fail: the n-th call from now fails, once; 0: none
 * @broken: every call fails
 * @one_in: so many calls fail by chance; 0: none
 * @hook: runs in each call, before it does anything
 * @is_lost: uhmm_device_lost() has been called; @is_gone: and has returned
 * @fd: of what the CPU may map, or 0; a real one, or one of fake.h
 */
struct store {
	uint64_t npages;
	unsigned char *data;
	_Atomic unsigned char *full;
	_Atomic long calls[STORE_NR_CALLS];
	_Atomic long fail[STORE_NR_CALLS];
	_Atomic bool broken[STORE_NR_CALLS];
	unsigned one_in;
	_Atomic uint64_t seed;
	void (*hook)(struct store *s, enum store_call call,
		     const struct uhmm_segment *seg);
	void *arg;
	_Atomic bool is_released, is_lost, is_gone;
	int fd;
	bool is_real;
};

static inline int store_enter(struct store *s, enum store_call call,
			      const struct uhmm_segment *seg)
{
	CHECK(!atomic_load(&s->is_gone) && !atomic_load(&s->is_released));
	atomic_fetch_add(&s->calls[call], 1);
	if (s->hook)
		s->hook(s, call, seg);
	if (atomic_load(&s->fail[call]) > 0 &&
	    atomic_fetch_sub(&s->fail[call], 1) == 1)
		return -EIO;
	if (s->one_in) {
		uint64_t seed = atomic_fetch_add(&s->seed, 1) * 1000003;

		if (!test_below(&seed, s->one_in))
			return -EIO;
	}
	return atomic_load(&s->broken[call]) ? -EIO : 0;
}

static inline void store_bound(const struct store *s, uint64_t dpfn, size_t n)
{
	CHECK(n > 0 && dpfn < s->npages && n <= s->npages - dpfn);
}

static inline int store_in(void *priv, const struct uhmm_segment *seg,
			   size_t nr)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_IN, seg);

	for (size_t i = 0; i < nr && !err; i++) {
		store_bound(s, seg[i].dpfn, seg[i].npages);
		memcpy(s->data + seg[i].dpfn * PAGE, seg[i].ram,
		       seg[i].npages * PAGE);
		for (size_t k = 0; k < seg[i].npages; k++)
			atomic_store(&s->full[seg[i].dpfn + k], 1);
	}
	return err;
}

static inline int store_out(void *priv, const struct uhmm_segment *seg,
			    size_t nr)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_OUT, seg);

	for (size_t i = 0; i < nr; i++) {
		store_bound(s, seg[i].dpfn, seg[i].npages);
		for (size_t k = 0; k < seg[i].npages; k++)
			CHECK(atomic_load(&s->full[seg[i].dpfn + k]));
		if (err) /* what a failed copy leaves in RAM is ignored */
			memset(seg[i].ram, 0xee, seg[i].npages * PAGE);
		else
			memcpy(seg[i].ram, s->data + seg[i].dpfn * PAGE,
			       seg[i].npages * PAGE);
	}
	return err;
}

static inline int store_clear(void *priv, uint64_t dpfn, size_t npages)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_CLEAR, NULL);

	store_bound(s, dpfn, npages);
	if (err)
		return err;
	memset(s->data + dpfn * PAGE, 0, npages * PAGE);
	for (size_t k = 0; k < npages; k++)
		atomic_store(&s->full[dpfn + k], 1);
	return 0;
}

static inline const void *store_direct(void *priv, uint64_t dpfn, size_t npages)
{
	struct store *s = priv;
	int err = store_enter(s, STORE_DIRECT, NULL);

	store_bound(s, dpfn, npages);
	for (size_t k = 0; k < npages; k++)
		CHECK(atomic_load(&s->full[dpfn + k]));
	return err ? NULL : s->data + dpfn * PAGE;
}

static inline void store_free(void *priv, uint64_t dpfn, size_t npages)
{
	struct store *s = priv;

	store_enter(s, STORE_FREE, NULL);
	store_bound(s, dpfn, npages);
	memset(s->data + dpfn * PAGE, 0xdd, npages * PAGE);
	for (size_t k = 0; k < npages; k++)
		atomic_store(&s->full[dpfn + k], 0);
}

/* ---- Its memory ---- */

/* A mapping of the store that is left over is found when it is touched. */
static inline void store_free_memory(struct store *s)
{
	if (s->fd && s->is_real) {
		munmap(s->data, s->npages * PAGE);
		CHECK_EQ(ftruncate(s->fd, 0), 0);
		close(s->fd);
		return;
	}
	if (s->fd)
		fake_file_close(s->fd);
	free(s->data);
}

static inline void store_alloc_memory(struct store *s, bool is_mapped)
{
	size_t len = s->npages * PAGE;

	if (is_mapped && s->is_real) {
		s->fd = memfd_create("store", MFD_CLOEXEC);
		CHECK(s->fd > 0);
		CHECK_EQ(ftruncate(s->fd, (off_t)len), 0);
		s->data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			       s->fd, 0);
		CHECK(s->data != MAP_FAILED);
		return;
	}
	s->data = malloc(len);
	CHECK(s->data);
	if (is_mapped)
		s->fd = fake_file(s->data, s->npages);
	CHECK(s->fd >= 0);
}

static inline void store_release(void *priv)
{
	struct store *s = priv;

	CHECK(!atomic_exchange(&s->is_released, true));
	for (uint64_t i = 0; i < s->npages && !atomic_load(&s->is_lost); i++)
		CHECK(!atomic_load(&s->full[i]));
	store_free_memory(s);
	free((void *)s->full);
	s->data = NULL;
	s->full = NULL;
}

enum store_kind {
	STORE_PLAIN,	/* the two required copies, and what tells of leaks */
	STORE_TELLS,	/* the same, and it tells of writes */
	STORE_SLOW,	/* the same, and it is slow to write */
	STORE_RICH,	/* clear(), too */
	STORE_FAST,	/* and direct(), and concurrent calls */
	STORE_COHERENT, /* the same, and the CPU maps it */
};

static const struct uhmm_device_ops store_ops[] = {
	[STORE_PLAIN] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.page_free = store_free,
		.release = store_release,
	},
	[STORE_RICH] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.clear = store_clear,
		.page_free = store_free,
		.release = store_release,
	},
	[STORE_FAST] = {
		.size = sizeof(struct uhmm_device_ops),
		.copy_to_devmem = store_in,
		.copy_to_ram = store_out,
		.clear = store_clear,
		.direct = store_direct,
		.page_free = store_free,
		.release = store_release,
	},
};

static inline const struct uhmm_device_ops *store_ops_of(enum store_kind kind)
{
	switch (kind) {
	case STORE_RICH:
		return &store_ops[STORE_RICH];
	case STORE_FAST:
	case STORE_COHERENT:
		return &store_ops[STORE_FAST];
	default:
		return &store_ops[STORE_PLAIN];
	}
}

/* Returns what uhmm_device_add() does.  On failure nothing is left behind. */
static inline int store_try_add(struct uhmm *u, struct store *s,
				enum store_kind kind, uint64_t npages,
				struct uhmm_device **ret_dev)
{
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "store",
		.type = kind == STORE_COHERENT ? UHMM_MEMORY_DEVICE_COHERENT :
						 UHMM_MEMORY_DEVICE_PRIVATE,
		.flags = kind >= STORE_FAST  ? UHMM_DEVICE_CONCURRENT :
			 kind == STORE_TELLS ? UHMM_DEVICE_TELLS_WRITES :
			 kind == STORE_SLOW  ? UHMM_DEVICE_SLOW_WRITES :
					       0,
		.npages = npages,
		.ops = store_ops_of(kind),
	};
	int err;

	memset(s, 0, sizeof(*s));
	s->npages = npages;
	s->is_real = u->mm->max_mappings != 0;
	store_alloc_memory(s, kind == STORE_COHERENT);
	s->full = calloc(npages, sizeof(*s->full));
	CHECK(s->full);
	desc.fd = s->fd;
	err = uhmm_device_add(u, &desc, s, ret_dev);
	if (err)
		store_release(s);
	return err;
}

static inline struct uhmm_device *store_add(struct uhmm *u, struct store *s,
					    enum store_kind kind,
					    uint64_t npages)
{
	struct uhmm_device *dev = NULL;

	CHECK_EQ(store_try_add(u, s, kind, npages, &dev), 0);
	return dev;
}

static inline uint64_t device_used(struct uhmm_device *dev)
{
	struct uhmm_device_info info = { .size = sizeof(info) };

	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	return info.used;
}

#endif
