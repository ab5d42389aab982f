// SPDX-License-Identifier: MIT
/* workspace.c - memory that codecs work in, see workspace.h. */
#include "workspace.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

#include <uhmm/provider.h>

int workspaces_init(struct workspaces *w, unsigned nr, size_t len)
{
	w->nr = nr;
	w->each = (sizeof(struct workspace) + len + 63) & ~(size_t)63;
	w->memory = uhmm_provider_alloc(nr * w->each);
	if (!w->memory)
		return -ENOMEM;
	/* count memory in small pages */
	(void)madvise(w->memory, nr * w->each, MADV_NOHUGEPAGE);
	(void)madvise(w->memory, nr * w->each, MADV_WIPEONFORK);
	return 0;
}

void workspaces_fini(struct workspaces *w)
{
	if (w->memory)
		uhmm_provider_free(w->memory, w->nr * w->each);
}

struct workspace *workspace_claim(struct workspaces *w)
{
	for (size_t i = 0;; i = (i + 1) % w->nr) {
		struct workspace *space = (void *)(w->memory + i * w->each);

		if (!atomic_load_explicit(&space->is_claimed,
					  memory_order_relaxed) &&
		    !atomic_exchange_explicit(&space->is_claimed, true,
					      memory_order_acquire)) {
			touched_add(&w->touched, i, 1);
			return space;
		}
		if (i == w->nr - 1)
			sched_yield();
	}
}

void workspace_release(struct workspace *space)
{
	atomic_store_explicit(&space->is_claimed, false, memory_order_release);
}

uint64_t workspaces_ram(const struct workspaces *w)
{
	return touched_bytes(&w->touched, w->each, uhmm_page_size());
}
