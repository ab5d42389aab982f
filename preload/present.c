// SPDX-License-Identifier: MIT
/*
 * In inline mode, and for users that may not serve the kernel's faults, the
 * kernel cannot fetch away pages.  So memory that the kernel is about to use is
 * pinned, so that its pages stay, and touched, as the kernel cannot populate
 * managed pages either.
 */
#include "calls/calls.h"

bool present_wanted(void)
{
	return atomic_load_explicit(&calls_active, memory_order_acquire) &&
	       manage_is_started();
}

static void bring_home(struct present *p, struct range part)
{
	if (p->nr < MAX_PRESENT && !manage_pin(part.start, part.end, true))
		p->parts[p->nr++] = part;
	maps_touch(part);
}

/*
 * A part that finds no place in @p is touched only: its pages are most likely
 * still home when the kernel uses them.
 */
void present_always(struct present *p, const void *addr, size_t len)
{
	uintptr_t start = page_down((uintptr_t)addr);
	uintptr_t end = page_up((uintptr_t)addr + len);
	struct range parts[8], shared;
	size_t nr;

	if (!manage_is_started() || !len || start >= end)
		return;
	nr = manage_parts(start, end, parts, sizeof(parts) / sizeof(*parts));
	for (size_t i = 0; i < nr; i++)
		bring_home(p, parts[i]);
	for (; shared_next(start, end, &shared); start = shared.end)
		bring_home(p, shared);
}

void present_add(struct present *p, const void *addr, size_t len)
{
	if (present_wanted())
		present_always(p, addr, len);
}

void present_end(const struct present *p)
{
	int err = errno;

	for (size_t i = 0; i < p->nr; i++)
		manage_pin(p->parts[i].start, p->parts[i].end, false);
	errno = err;
}
