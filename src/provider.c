// SPDX-License-Identifier: MIT
/*
 * provider.c - the providers known by name, and devices made from them.
 *
 * The table of registered providers only grows: an entry is written before the
 * count that shows it, so that readers take no lock.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <uhmm/provider.h>

#include "core/context/log.h"
#include "core/device/said.h"
#include "module.h"
#include "spec.h"
#include "sys/fds.h"
#include "sys/lock.h"
#include "sys/sys.h"

#define MAX_PROVIDERS 64

extern const struct uhmm_provider provider_ram, provider_zram, provider_error,
	provider_delay, provider_trace, provider_dax, provider_file,
	provider_numa, provider_kmod;

static const struct uhmm_provider *const builtin[] = {
	&provider_ram,	 &provider_zram,  &provider_error,
	&provider_delay, &provider_trace, &provider_dax,
	&provider_file,	 &provider_numa,  &provider_kmod,
};

#define NR_BUILTIN (sizeof(builtin) / sizeof(builtin[0]))

static const struct uhmm_provider *added[MAX_PROVIDERS];
static _Atomic size_t nr_added; /* entries of @added that are written */
static struct sys_mutex adding; /* held by writers of both */

/* ---- The registry ---- */

static const struct uhmm_provider *provider_at(size_t i)
{
	if (i < NR_BUILTIN)
		return builtin[i];
	i -= NR_BUILTIN;
	/* pairs with the release in uhmm_provider_register() */
	if (i < atomic_load_explicit(&nr_added, memory_order_acquire))
		return added[i];
	return NULL;
}

static const struct uhmm_provider *find_provider(const char *name)
{
	const struct uhmm_provider *p;

	for (size_t i = 0; (p = provider_at(i)); i++) {
		if (!strcmp(p->name, name))
			return p;
	}
	return NULL;
}

const struct uhmm_provider *uhmm_provider_next(const struct uhmm_provider *prev)
{
	const struct uhmm_provider *p;

	if (!prev)
		return provider_at(0);
	for (size_t i = 0; (p = provider_at(i)); i++) {
		if (p == prev)
			return provider_at(i + 1);
	}
	return NULL;
}

static bool options_are_valid(const struct uhmm_option *options)
{
	size_t nr = 0;

	if (!options)
		return true;
	for (; options[nr].key; nr++) {
		if (nr == SPEC_OPTIONS || !spec_is_name(options[nr].key))
			return false;
	}
	return true;
}

static bool provider_is_valid(const struct uhmm_provider *p)
{
	return p && p->size >= offsetof(struct uhmm_provider, list) &&
	       p->abi == UHMM_PROVIDER_ABI && p->name &&
	       spec_is_name(p->name) && !p->open != !p->wrap &&
	       options_are_valid(p->options);
}

int uhmm_provider_register(const struct uhmm_provider *provider)
{
	size_t nr;
	int err = 0;

	if (!provider_is_valid(provider))
		return -EINVAL;
	sys_mutex_lock(&adding);
	nr = atomic_load_explicit(&nr_added, memory_order_relaxed);
	if (find_provider(provider->name)) {
		err = -EEXIST;
	} else if (nr == MAX_PROVIDERS) {
		err = -ENOSPC;
	} else {
		added[nr] = provider;
		atomic_store_explicit(&nr_added, nr + 1, memory_order_release);
	}
	sys_mutex_unlock(&adding);
	return err;
}

/* ---- Memory for providers ---- */

void *uhmm_provider_alloc(size_t len)
{
	return len ? sys_alloc(len) : NULL;
}

void uhmm_provider_free(void *p, size_t len)
{
	if (p)
		sys_free(p, len);
}

void uhmm_copy(void *dst, const void *src, size_t len)
{
	sys_copy(dst, src, len);
}

/* ---- Descriptors ---- */

int uhmm_fd_keep(int fd)
{
	return sys_fd_keep(fd, SYS_FD_FAR);
}

bool uhmm_fd_usable(int fd)
{
	return sys_fd_usable(fd);
}

void uhmm_fd_close(int fd)
{
	sys_close(fd);
}

int uhmm_fd_next(int from)
{
	return sys_fd_next(from);
}

int uhmm_own_next(const void *from, void **ret_start, size_t *ret_len)
{
	uintptr_t first, end;

	if (!ret_start || !ret_len)
		return -EINVAL;
	if (!sys_own_next((uintptr_t)from, &first, &end))
		return -ENOENT;
	*ret_start = (void *)first;
	*ret_len = end - first;
	return 0;
}

/* ---- Devices from specifications ---- */

/*
 * One uhmm_device_open().
 * @desc, @priv: what the parts opened so far make together
 * @text: the specification as given; @spec cuts its own copy
 */
struct opening {
	struct uhmm *u;
	const char *text;
	struct spec spec;
	const struct uhmm_provider *providers[SPEC_PARTS];
	const char *values[SPEC_PARTS][SPEC_OPTIONS];
	struct uhmm_device_desc desc;
	void *priv;
};

/* Say what is wrong with @name, a word of the specification; return @err. */
static int refuse_word(const struct opening *o, int err, const char *name,
		       const char *what)
{
	sys_logf(uhmm_log(o->u), SYS_ERR, "device %s: %s: %s", o->text, name,
		 what);
	return err;
}

static int find_option(const struct uhmm_option *options, const char *key)
{
	for (int i = 0; options && options[i].key; i++) {
		if (!strcmp(options[i].key, key))
			return i;
	}
	return -1;
}

/* The values of a part's options, in the provider's order. */
static int match_options(struct opening *o, const struct spec_part *part,
			 const struct uhmm_option *options, const char **values)
{
	for (size_t i = 0; i < part->nr_options; i++) {
		int nr = find_option(options, part->options[i].key);

		if (nr < 0)
			return refuse_word(o, -EINVAL, part->options[i].key,
					   "unknown option");
		values[nr] = part->options[i].value;
	}
	for (size_t i = 0; options && options[i].key; i++) {
		if (!values[i])
			values[i] = options[i].fallback;
		if (!values[i])
			return refuse_word(o, -EINVAL, options[i].key,
					   "this option must be given");
	}
	return 0;
}

/* Known, or in a module. */
static int find_or_load(const struct opening *o, const char *name,
			const struct uhmm_provider **ret)
{
	char why[MODULE_WHY] = "unknown provider";
	int err = 0;

	*ret = find_provider(name);
	if (!*ret) {
		err = module_load(name, why, sizeof(why));
		*ret = find_provider(name);
	}
	return err ? refuse_word(o, err, name, why) : 0;
}

/* Find each part's provider and options. */
static int match_parts(struct opening *o)
{
	for (size_t i = 0; i < o->spec.nr_parts; i++) {
		const struct spec_part *part = &o->spec.parts[i];
		const struct uhmm_provider *p;
		bool is_last = i + 1 == o->spec.nr_parts;
		int err = find_or_load(o, part->name, &p);

		if (err)
			return err;
		if (is_last && !p->open)
			return refuse_word(o, -EINVAL, part->name,
					   "wraps a provider; none is named");
		if (!is_last && !p->wrap)
			return refuse_word(o, -EINVAL, part->name,
					   "is a provider and no wrapper");
		err = match_options(o, part, p->options, o->values[i]);
		if (err)
			return err;
		o->providers[i] = p;
	}
	return 0;
}

static void release_opening(struct opening *o)
{
	if (o->desc.ops && o->desc.ops->release)
		o->desc.ops->release(o->priv);
}

static const char *opening_refusal(const struct opening *o, int err)
{
	switch (err) {
	case -EINVAL:
		return o->spec.size ? "refuses a value of its options" :
				      "refuses its options, or needs a size";
	case -ENOMEM:
		return "more memory than there is";
	case -ENODEV:
		return "there is no such device";
	case -ENXIO:
		return "its options name a file that is no device memory";
	case -EBUSY:
		return "it is in use, or nothing would be left for the CPU";
	case -ENOENT:
		return "there is no such file or folder";
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return "this user may not write there";
	case -EFBIG:
	case -ENOSPC:
		return "not so much room is there";
	case -EOPNOTSUPP:
		return "the device cannot do that";
	default:
		return "cannot be opened";
	}
}

/* A wrapper looks into the table of what it wraps; later the core does. */
static bool desc_is_valid(const struct uhmm_device_desc *desc)
{
	if (!desc->npages || !desc->ops || desc->ops->size < sizeof(*desc->ops))
		return false;
	return desc->flags & (UHMM_DEVICE_NODE | UHMM_DEVICE_KMOD) ||
	       (desc->ops->copy_to_devmem && desc->ops->copy_to_ram);
}

/* Open part @i; the parts after it are open already. */
static int open_part(struct opening *o, size_t i)
{
	const struct uhmm_provider *p = o->providers[i];
	const struct uhmm_device_desc inner = o->desc;
	void *inner_priv = o->priv;
	int err;

	said_clear();
	if (p->open)
		err = p->open(o->values[i], &o->desc, &o->priv);
	else
		err = p->wrap(o->values[i], &inner, inner_priv, &o->desc,
			      &o->priv);
	if (err) {
		o->desc = inner;
		o->priv = inner_priv;
		return refuse_word(o, err, p->name,
				   *said_text() ? said_text() :
						  opening_refusal(o, err));
	}
	if (!desc_is_valid(&o->desc))
		return refuse_word(o, -EINVAL, p->name,
				   "made no usable device");
	return 0;
}

static int open_parts(struct opening *o)
{
	o->desc = (struct uhmm_device_desc){
		.size = sizeof(o->desc),
		.name = o->text,
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.npages = o->spec.bytes / uhmm_page_size(),
	};
	for (size_t i = o->spec.nr_parts; i-- > 0;) {
		int err = open_part(o, i);

		if (err)
			return err;
	}
	return 0;
}

static int parse_opening(struct opening *o)
{
	if (spec_parse(&o->spec, o->text)) {
		sys_logf(uhmm_log(o->u), SYS_ERR, "device %s: %s at \"%s\"",
			 o->text, o->spec.error, o->text + o->spec.at);
		return -EINVAL;
	}
	if (o->spec.size && o->spec.bytes < uhmm_page_size())
		return refuse_word(o, -EINVAL, o->spec.size,
				   "less than a page");
	return match_parts(o);
}

int uhmm_device_open(struct uhmm *u, const char *spec,
		     struct uhmm_device **ret_dev)
{
	struct opening o = { .u = u, .text = spec };
	int err;

	if (!u || !spec || !ret_dev)
		return -EINVAL;
	err = parse_opening(&o);
	if (err)
		return err;
	err = open_parts(&o);
	if (!err)
		err = uhmm_device_add(u, &o.desc, o.priv, ret_dev);
	if (err)
		release_opening(&o);
	return err;
}
