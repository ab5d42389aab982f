// SPDX-License-Identifier: MIT
/*
 * In inline mode the kernel cannot fetch away pages.  So memory that the kernel
 * is about to use is pinned, so that its pages stay, and touched, as the kernel
 * cannot populate managed pages either.
 */
#include "preload.h"

bool present_wanted(void)
{
	return settings.mode == UHMM_FAULTS_INLINE && manage_is_started();
}

/*
 * A part that finds no place in @p is touched only: its pages are most likely
 * still home when the kernel uses them.
 */
void present_always(struct present *p, const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr & ~(PAGE - 1);
	uintptr_t end = page_up((uintptr_t)addr + len);
	struct range parts[8];
	size_t nr;

	if (!manage_is_started() || !len || start >= end)
		return;
	nr = manage_parts(start, end, parts, sizeof(parts) / sizeof(*parts));
	for (size_t i = 0; i < nr; i++) {
		if (p->nr < MAX_PRESENT &&
		    !manage_pin(parts[i].start, parts[i].end, true))
			p->parts[p->nr++] = parts[i];
		maps_touch(parts[i]);
	}
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
