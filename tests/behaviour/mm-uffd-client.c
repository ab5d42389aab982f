/* SPDX-License-Identifier: MIT */
/* mm-uffd-client.c - the client of mm-uffd.h, and steps of its tests. */
#include "mm-uffd.h"

struct area t;
const char *config;
int failures;

char *page(unsigned i)
{
	return t.area + i * MM_PAGE_SIZE;
}

static bool index_of(uintptr_t addr, unsigned *ret)
{
	*ret = (unsigned)((addr - (uintptr_t)t.area) >> MM_PAGE_SHIFT);
	return addr - (uintptr_t)t.area < AREA;
}

/* ---- The client ---- */

static enum mm_outcome resolve(unsigned i, unsigned flags)
{
	uintptr_t va = (uintptr_t)page(i);
	ssize_t ret = 0;

	if (flags & MM_FAULT_WP) {
		t.wp_faults++;
		return t.mm->ops->unprotect(t.mm, va, 1) ? MM_RETRY :
							   MM_RESOLVED;
	}
	switch ((enum state)t.state[i]) {
	case AWAY:
		ret = t.mm->ops->fill(t.mm, va, t.device + i * MM_PAGE_SIZE, 1);
		break;
	case HELD:
		t.waits++;
		t.held = 1;
		sys_futex_wake(&t.held, 1);
		return MM_WAIT;
	case LOST:
		t.mm->ops->poison(t.mm, va, 1);
		return MM_SIGBUS;
	case RAM:
		ret = t.mm->ops->zero(t.mm, va, 1, flags & MM_FAULT_WRITE);
		break;
	}
	if (ret == 1)
		t.state[i] = RAM;
	return ret == 1 ? MM_RESOLVED : MM_RETRY;
}

static enum mm_outcome on_fault(void *priv, uintptr_t addr, unsigned flags)
{
	enum mm_outcome ret = MM_RETRY;
	unsigned i;

	if (!index_of(addr, &i))
		return MM_RETRY;
	sys_mutex_lock(&t.lock);
	t.faults++;
	ret = resolve(i, flags);
	sys_mutex_unlock(&t.lock);
	if (ret == MM_WAIT && flags & MM_FAULT_MAY_BLOCK) {
		while (t.state[i] == HELD)
			sys_yield();
		ret = MM_RETRY;
	}
	return ret;
}

static void on_discard(void *priv, uintptr_t start, uintptr_t end)
{
	unsigned i;

	sys_mutex_lock(&t.lock);
	for (; start < end; start += MM_PAGE_SIZE) {
		if (!index_of(start, &i))
			continue;
		t.discards[i]++;
		t.state[i] = RAM;
	}
	sys_mutex_unlock(&t.lock);
}

static void on_unmap(void *priv, uintptr_t start, uintptr_t end)
{
	t.unmapped = start;
}

static void on_remap(void *priv, uintptr_t from, uintptr_t to, size_t len)
{
	t.remapped_to = to;
}

const struct mm_client client = {
	.fault = on_fault,
	.discard = on_discard,
	.unmap = on_unmap,
	.remap = on_remap,
};

/* ---- Helpers ---- */

void fill_area(unsigned first, unsigned last, unsigned seed)
{
	for (unsigned i = first; i < last; i++)
		memset(page(i), (int)(i * 7 + seed) & 0xff, MM_PAGE_SIZE);
}

bool area_is(unsigned first, unsigned last, unsigned seed)
{
	for (unsigned i = first; i < last; i++)
		for (unsigned j = 0; j < MM_PAGE_SIZE; j += 511)
			if ((unsigned char)page(i)[j] !=
			    ((i * 7 + seed) & 0xff))
				return false;
	return true;
}

void map_area(int advice)
{
	/* not from sys.h: that would be memory of uhmm's own */
	char *m = mmap(NULL, AREA + MM_BLOCK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)m + MM_BLOCK_SIZE - 1) & -MM_BLOCK_SIZE;
	char *p = (char *)at;

	munmap(m, at - (uintptr_t)m);
	munmap(p + AREA, MM_BLOCK_SIZE - (at - (uintptr_t)m));
	madvise(p, AREA, advice);
	t.area = p;
	for (unsigned i = 0; i < PAGES; i++) {
		t.state[i] = RAM;
		t.discards[i] = 0;
	}
	t.faults = t.wp_faults = t.waits = 0;
	t.unmapped = t.remapped_to = 0;
}

void track_area(void)
{
	CHECK(!t.mm->ops->track(t.mm, (uintptr_t)t.area,
				(uintptr_t)t.area + AREA));
}

void unmap_area(void)
{
	uintptr_t p = (uintptr_t)t.area;

	CHECK(!t.mm->ops->untrack(t.mm, p, p + AREA, NULL, NULL));
	munmap(t.area, AREA);
	t.area = NULL;
}

bool sweeping;

/* Freeze pages of the first block into a slot of its own. */
struct mm_freeze *freeze(unsigned first, unsigned last, unsigned step)
{
	static struct mm_freeze f;
	int ret;

	set_clear(&f.want);
	set_clear(&f.also);
	if (sweeping)
		set_add_run(&f.also, 0, 512);
	for (unsigned i = first; i < last; i += step)
		set_add(&f.want, i);
	f.va = (uintptr_t)t.area;
	if (!f.slot)
		f.slot = t.mm->ops->slots(t.mm, 1);
	CHECK(f.slot);
	do {
		sys_mutex_lock(&t.lock);
		ret = t.mm->ops->freeze(t.mm, &f);
		sys_mutex_unlock(&t.lock);
	} while (ret == -EAGAIN);
	CHECK(!ret);
	return &f;
}

void set_states(const struct mm_set *set, int state)
{
	sys_mutex_lock(&t.lock);
	set_for_each(set, i)
		t.state[i] = state;
	sys_mutex_unlock(&t.lock);
}

/* Take the pages of @f->left by their mapping. */
void stash(struct mm_freeze *f)
{
	struct mm_freeze rest = *f;

	if (set_empty(&f->left))
		return;
	rest.want = f->left;
	set_states(&f->left, HELD);
	t.mm->ops->stash(t.mm, &rest);
	set_states(&f->left, RAM);
	f->framed = set_or(&f->framed, &rest.framed);
	memcpy(f->why, rest.why, sizeof(f->why));
	set_clear(&f->left);
	t.mm->ops->wake(t.mm, f->va, 512);
}

/* Move what was frozen to the device. */
unsigned send_away(struct mm_freeze *f)
{
	stash(f);
	set_for_each(&f->framed, i)
		memcpy(t.device + i * MM_PAGE_SIZE,
		       (char *)f->slot + i * MM_PAGE_SIZE, MM_PAGE_SIZE);
	t.mm->ops->drop(t.mm, f->slot, 512);
	set_states(&f->framed, AWAY);
	return set_count(&f->framed);
}

bool has(const char *feature)
{
	char buf[256];
	char *p;

	t.mm->ops->features(t.mm, buf, sizeof(buf));
	p = strstr(buf, feature);
	return p && (p[strlen(feature)] == ',' || !p[strlen(feature)]);
}
