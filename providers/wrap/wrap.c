// SPDX-License-Identifier: MIT
/* wrap.c - the code that wrappers share, see wrap.h. */
#include "wrap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	const struct wrap *w = priv;

	return w->inner->copy_to_devmem(w->priv, seg, nr);
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	const struct wrap *w = priv;

	return w->inner->copy_to_ram(w->priv, seg, nr);
}

static int clear(void *priv, uint64_t dpfn, size_t npages)
{
	const struct wrap *w = priv;

	return w->inner->clear(w->priv, dpfn, npages);
}

static const void *direct(void *priv, uint64_t dpfn, size_t npages)
{
	const struct wrap *w = priv;

	return w->inner->direct(w->priv, dpfn, npages);
}

static void page_free(void *priv, uint64_t dpfn, size_t npages)
{
	const struct wrap *w = priv;

	w->inner->page_free(w->priv, dpfn, npages);
}

static uint64_t stored(void *priv)
{
	const struct wrap *w = priv;

	return w->inner->stored(w->priv);
}

static int usage(void *priv, struct uhmm_device_usage *ret)
{
	const struct wrap *w = priv;

	return w->inner->usage(w->priv, ret);
}

/* Did the headers of the provider below have usage() when it was built? */
static bool has_usage(const struct uhmm_device_ops *ops)
{
	return ops->size > offsetof(struct uhmm_device_ops, usage) &&
	       ops->usage;
}

void wrap_release(void *priv)
{
	struct wrap *w = priv;

	if (w->inner->release)
		w->inner->release(w->priv);
	uhmm_provider_free(w, w->size);
}

void *wrap_new(size_t size, const struct uhmm_device_desc *inner,
	       void *inner_priv, struct uhmm_device_desc *desc)
{
	struct wrap *w = uhmm_provider_alloc(size);

	if (!w)
		return NULL;
	w->inner = inner->ops;
	w->priv = inner_priv;
	w->size = size;
	w->ops = (struct uhmm_device_ops){
		.size = sizeof(w->ops),
		.copy_to_devmem = copy_to_devmem,
		.copy_to_ram = copy_to_ram,
		.clear = w->inner->clear ? clear : NULL,
		.direct = w->inner->direct ? direct : NULL,
		.page_free = w->inner->page_free ? page_free : NULL,
		.stored = w->inner->stored ? stored : NULL,
		.usage = has_usage(w->inner) ? usage : NULL,
		.release = wrap_release,
	};
	desc->type = inner->type;
	desc->flags = inner->flags & ~(uint32_t)UHMM_DEVICE_FORKS;
	desc->fd = inner->fd;
	desc->node = inner->node;
	desc->offset = inner->offset;
	desc->gone = inner->gone;
	desc->npages = inner->npages;
	desc->ops = &w->ops;
	return w;
}

uint64_t wrap_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

size_t wrap_count_pages(const struct uhmm_segment *seg, size_t nr)
{
	size_t npages = 0;

	for (; nr; seg++, nr--)
		npages += seg->npages;
	return npages;
}

int wrap_parse_calls(const char *s, unsigned *ret_calls)
{
	static const struct {
		const char *name;
		unsigned calls;
	} table[] = {
		{ "to_dev", WRAP_TO_DEV },
		{ "to_ram", WRAP_TO_RAM },
		{ "clear", WRAP_CLEAR },
		{ "any", WRAP_ANY },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(s, table[i].name)) {
			*ret_calls = table[i].calls;
			return 0;
		}
	}
	return uhmm_provider_fail(
		-EINVAL, "op=%s: write to_dev, to_ram, clear or any", s);
}

bool wrap_read_number(const char *s, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' ||
		    __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

int wrap_parse_number(const char *key, const char *s, uint64_t most,
		      uint64_t *ret)
{
	if (wrap_read_number(s, ret) && *ret <= most)
		return 0;
	return uhmm_provider_fail(-EINVAL, "%s=%s: not a number from 0 to %ju",
				  key, s, (uintmax_t)most);
}
