/* SPDX-License-Identifier: MIT */
/*
 * slab.c - small objects of one size.
 *
 * The library keeps nothing of its own on the application's heap: that heap may
 * be on a device, and a handler thread that touches it would wait for itself.
 */
#include <stdint.h>
#include <string.h>

#include "core/page/slab.h"
#include "sys/sys.h"

#define CHUNK_SIZE ((size_t)64 << 10)

struct slab_chunk {
	struct slab_chunk *next;
	uint64_t pad[7]; /* objects begin on a cache line */
};

static void push_object(struct slab *s, void *obj)
{
	*(void **)obj = s->free;
	s->free = obj;
}

static void grow_slab(struct slab *s)
{
	struct slab_chunk *c = sys_alloc(CHUNK_SIZE);
	char *end = (char *)c + CHUNK_SIZE;

	if (!c)
		return;
	c->next = s->chunks;
	s->chunks = c;
	atomic_fetch_add(&s->bytes, CHUNK_SIZE);
	for (char *p = (char *)(c + 1); p + s->size <= end; p += s->size)
		push_object(s, p);
}

void *slab_alloc(struct slab *s)
{
	void *obj;

	sys_mutex_lock(&s->lock);
	if (!s->free)
		grow_slab(s);
	obj = s->free;
	if (obj)
		s->free = *(void **)obj;
	sys_mutex_unlock(&s->lock);
	if (obj)
		memset(obj, 0, s->size);
	return obj;
}

void slab_free(struct slab *s, void *obj)
{
	if (!obj)
		return;
	sys_mutex_lock(&s->lock);
	push_object(s, obj);
	sys_mutex_unlock(&s->lock);
}

void slab_destroy(struct slab *s)
{
	while (s->chunks) {
		struct slab_chunk *c = s->chunks;

		s->chunks = c->next;
		sys_free(c, CHUNK_SIZE);
	}
	s->free = NULL;
}
