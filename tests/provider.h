/* SPDX-License-Identifier: MIT */
/* provider.h - for tests that call a provider without a context. */
#ifndef UHMM_TEST_PROVIDER_H
#define UHMM_TEST_PROVIDER_H

#include <pthread.h>

#include <uhmm/provider.h>

#include "test.h"

static inline const struct uhmm_provider *find_provider(const char *name)
{
	const struct uhmm_provider *p = NULL;

	while ((p = uhmm_provider_next(p)) && strcmp(p->name, name))
		;
	CHECK(p);
	return p;
}

/* Values in the order of the provider's options, from "key=value" pairs. */
static inline void fill_values(const struct uhmm_provider *p,
			       const char *const *pairs, const char **values)
{
	for (size_t i = 0; p->options[i].key; i++) {
		size_t len = strlen(p->options[i].key);

		values[i] = p->options[i].fallback;
		for (size_t k = 0; pairs && pairs[k]; k++) {
			if (!strncmp(pairs[k], p->options[i].key, len) &&
			    pairs[k][len] == '=')
				values[i] = pairs[k] + len + 1;
		}
	}
}

struct test_device {
	struct uhmm_device_desc desc;
	void *priv;
};

static inline struct test_device
open_provider(const char *name, uint64_t npages, const char *const *pairs)
{
	const struct uhmm_provider *p = find_provider(name);
	struct test_device d = {
		.desc = { .size = sizeof(d.desc), .npages = npages },
	};
	const char *values[16];

	fill_values(p, pairs, values);
	CHECK_EQ(p->open(values, &d.desc, &d.priv), 0);
	return d;
}

static inline struct test_device wrap_provider(const char *name,
					       struct test_device inner,
					       const char *const *pairs)
{
	const struct uhmm_provider *p = find_provider(name);
	struct test_device d = { .desc = { .size = sizeof(d.desc) } };
	const char *values[16];

	fill_values(p, pairs, values);
	CHECK_EQ(p->wrap(values, &inner.desc, inner.priv, &d.desc, &d.priv), 0);
	return d;
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline int put_pages(const struct test_device *d, uint64_t dpfn,
			    const void *src, size_t npages)
{
	struct uhmm_segment seg = { dpfn, (void *)(uintptr_t)src, npages };

	return d->desc.ops->copy_to_devmem(d->priv, &seg, 1);
}

static inline int get_pages(const struct test_device *d, uint64_t dpfn,
			    void *dst, size_t npages)
{
	struct uhmm_segment seg = { dpfn, dst, npages };

	return d->desc.ops->copy_to_ram(d->priv, &seg, 1);
}

/* Each gets its number. */
static inline void run_workers(void *(*worker)(void *), size_t nr)
{
	pthread_t threads[16];

	CHECK(nr <= sizeof(threads) / sizeof(*threads));
	for (uintptr_t i = 0; i < nr; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, worker, (void *)i),
			 0);
	for (size_t i = 0; i < nr; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static inline void close_provider(const struct test_device *d)
{
	d->desc.ops->release(d->priv);
}

#endif
