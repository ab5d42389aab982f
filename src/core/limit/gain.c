/* SPDX-License-Identifier: MIT */
/*
 * gain.c - does it free RAM when pages of a block go to a device?
 *
 * A device that stores pages in RAM takes RAM for each page.  Pages that do not
 * compress free no RAM there, and cost a fault when they are touched.  If the
 * pages of a block freed hardly any RAM, such devices are not tried for that
 * block during a pause, which doubles each time that this happens again.  From
 * then on, and until pages free RAM again, the demoter sends a few pages of a
 * block first, as it does until pages have freed RAM for the first time: while
 * pages are copied they take RAM twice.  If many blocks in a row freed hardly
 * any RAM, no block is tried during a pause.
 *
 * This is so only where the limit is for all RAM (UHMM_OPEN_LIMIT_ALL).
 */
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/limit/demote.h"
#include "core/page/block.h"

#define LEAST_PAGES 32 /* fewer prove nothing: a device grows by steps */
#define LEAST_GAIN  8  /* one page freed of so many */
#define MAX_IN_ROW  16
#define TICK_SHIFT  26 /* 67 ms */
#define MAX_DOUBLED 7  /* 8.6 s */

static uint32_t ticks(void)
{
	return (uint32_t)(sys_now_ns() >> TICK_SHIFT);
}

static bool is_over(uint32_t until)
{
	return (int32_t)(ticks() - until) >= 0;
}

/* The end of a pause that begins now, after @times demotions without gain. */
static uint32_t pause_end(unsigned times)
{
	return ticks() + (1u << (times < MAX_DOUBLED ? times : MAX_DOUBLED));
}

bool gain_expected(const struct block *b, const struct uhmm_device *dev)
{
	const struct policy *p = &dev->u->policy;

	if (!atomic_load_explicit(&dev->ram, memory_order_relaxed))
		return true;
	if (b->poor && !is_over(b->poor_until))
		return false;
	return p->poor < MAX_IN_ROW || is_over(p->poor_until);
}

bool gain_is_doubtful(const struct block *b, const struct uhmm_device *dev)
{
	const struct policy *p = &dev->u->policy;

	if (dev->u->flags & UHMM_OPEN_LIMIT_ALL && dev->ops.usage && !p->gained)
		return true;
	return atomic_load_explicit(&dev->ram, memory_order_relaxed) &&
	       (b->poor || p->poor);
}

static bool has_gained(unsigned pages, int64_t grew)
{
	int64_t most = (int64_t)pages * (int64_t)MM_PAGE_SIZE;

	return grew <= most - most / LEAST_GAIN;
}

bool gain_is_poor(const struct uhmm *u, unsigned pages, int64_t grew)
{
	return u->flags & UHMM_OPEN_LIMIT_ALL && pages >= LEAST_PAGES &&
	       !has_gained(pages, grew);
}

void gain_note(struct uhmm *u, struct block *b, unsigned pages, int64_t grew)
{
	struct policy *p = &u->policy;

	if (!(u->flags & UHMM_OPEN_LIMIT_ALL) || pages < LEAST_PAGES)
		return;
	if (has_gained(pages, grew)) {
		b->poor = 0;
		p->poor = 0;
		p->gained = true;
		return;
	}
	b->poor_until = pause_end(b->poor);
	b->poor += b->poor < UINT8_MAX;
	p->poor++;
	if (p->poor >= MAX_IN_ROW)
		p->poor_until = pause_end(p->poor - MAX_IN_ROW);
}
