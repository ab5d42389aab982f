/* SPDX-License-Identifier: MIT */
/*
 * device.h - a device that a test holds in its hand: its copies fail, wait or
 * run something when the test says so.  It offers only the required callbacks.
 */
#ifndef UHMM_TEST_DEVICE_H
#define UHMM_TEST_DEVICE_H

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include <uhmm/provider.h>

#include "context.h"

/*
 * @hold: which copies wait, until test_release()
 * @waiting: copies that wait now
 * @fail_in, @fail_out: copies that will fail; negative: all
 * @gone: they fail with -ENODEV
 * @bad_in, @bad_out: device pages that cannot be written or read, if not 0
 * @called: called in the callback
 * @released: release() was called
 */
struct test_ops {
	_Atomic uint32_t hold_in, hold_out;
	_Atomic uint32_t waiting;
	_Atomic int fail_in, fail_out;
	_Atomic bool gone;
	_Atomic uint64_t bad_in, bad_out; /* dpfn + 1 */
	_Atomic uint32_t in, out;	  /* calls so far */
	void (*called)(void);
	_Atomic uint32_t released;
	unsigned char *pages;
};

static inline void test_futex_wait(_Atomic uint32_t *word, uint32_t is)
{
	while (atomic_load(word) == is)
		syscall(SYS_futex, word, FUTEX_WAIT, is, NULL, NULL, 0);
}

static inline void test_futex_set(_Atomic uint32_t *word, uint32_t to)
{
	atomic_store(word, to);
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static inline void test_gate(struct test_ops *t, _Atomic uint32_t *hold)
{
	if (!atomic_load(hold))
		return;
	test_futex_set(&t->waiting, atomic_load(&t->waiting) + 1);
	test_futex_wait(hold, 1);
	atomic_fetch_sub(&t->waiting, 1);
}

static inline bool test_fails(_Atomic int *fail)
{
	int left = atomic_load(fail);

	if (left > 0)
		atomic_fetch_sub(fail, 1);
	return left != 0;
}

static inline bool test_has_dpfn(const struct uhmm_segment *seg, size_t nr,
				 uint64_t dpfn1)
{
	for (size_t i = 0; dpfn1 && i < nr; i++)
		if (dpfn1 - 1 >= seg[i].dpfn &&
		    dpfn1 - 1 < seg[i].dpfn + seg[i].npages)
			return true;
	return false;
}

static inline int test_copy_in(void *priv, const struct uhmm_segment *seg,
			       size_t nr)
{
	struct test_ops *t = priv;

	atomic_fetch_add(&t->in, 1);
	if (t->called)
		t->called();
	test_gate(t, &t->hold_in);
	if (atomic_load(&t->gone))
		return -ENODEV;
	if (test_fails(&t->fail_in) || test_has_dpfn(seg, nr, t->bad_in))
		return -EIO;
	for (; nr; seg++, nr--)
		memcpy(t->pages + seg->dpfn * PAGE, seg->ram,
		       seg->npages * PAGE);
	return 0;
}

static inline int test_copy_out(void *priv, const struct uhmm_segment *seg,
				size_t nr)
{
	struct test_ops *t = priv;

	atomic_fetch_add(&t->out, 1);
	if (t->called)
		t->called();
	test_gate(t, &t->hold_out);
	if (atomic_load(&t->gone))
		return -ENODEV;
	if (test_fails(&t->fail_out) || test_has_dpfn(seg, nr, t->bad_out)) {
		memset(seg->ram, 0xee, PAGE); /* to be ignored */
		return -EIO;
	}
	for (; nr; seg++, nr--)
		memcpy(seg->ram, t->pages + seg->dpfn * PAGE,
		       seg->npages * PAGE);
	return 0;
}

/* The last call, and no other is under way. */
static inline void test_release_device(void *priv)
{
	struct test_ops *t = priv;

	CHECK_EQ(atomic_load(&t->waiting), 0);
	CHECK_EQ(atomic_load(&t->released), 0);
	test_futex_set(&t->released, 1);
}

static inline struct uhmm_device *
test_device_named(struct uhmm *u, struct test_ops *t, size_t npages,
		  const char *name, uint32_t flags)
{
	static const struct uhmm_device_ops ops = {
		.size = sizeof(ops),
		.copy_to_devmem = test_copy_in,
		.copy_to_ram = test_copy_out,
		.release = test_release_device,
	};
	struct uhmm_device_desc desc = { .size = sizeof(desc),
					 .name = name,
					 .type = UHMM_MEMORY_DEVICE_PRIVATE,
					 .flags = flags,
					 .npages = npages,
					 .ops = &ops };
	struct uhmm_device *dev;

	t->pages = uhmm_provider_alloc(npages * PAGE);
	CHECK(t->pages);
	CHECK_EQ(uhmm_device_add(u, &desc, t, &dev), 0);
	return dev;
}

static inline struct uhmm_device *
test_device_of(struct uhmm *u, struct test_ops *t, size_t npages)
{
	return test_device_named(u, t, npages, "test", UHMM_DEVICE_CONCURRENT);
}

/* Until a copy waits at the gate. */
static inline void test_wait_held(struct test_ops *t)
{
	test_futex_wait(&t->waiting, 0);
}

static inline void test_release(struct test_ops *t)
{
	test_futex_set(&t->hold_in, 0);
	test_futex_set(&t->hold_out, 0);
}

/* ---- A migration on a thread of its own ---- */

struct test_mover {
	pthread_t thread;
	struct uhmm *u;
	struct uhmm_device *dev;
	void *p;
	size_t npages;
	ssize_t ret;
	uint8_t why[8192];
};

static inline void *test_mover_main(void *arg)
{
	struct test_mover *m = arg;

	m->ret = uhmm_migrate_why(m->u, m->p, m->npages * PAGE, m->dev, m->why);
	return NULL;
}

static inline void test_mover_start(struct test_mover *m)
{
	CHECK(m->npages <= sizeof(m->why));
	CHECK_EQ(pthread_create(&m->thread, NULL, test_mover_main, m), 0);
}

static inline void test_mover_join(struct test_mover *m)
{
	CHECK_EQ(pthread_join(m->thread, NULL), 0);
}

#endif
