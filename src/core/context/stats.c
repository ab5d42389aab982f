/* SPDX-License-Identifier: MIT */
/* stats.c - counters and what is made of them. */
#include <errno.h>
#include <string.h>

#include "core/charge/charge.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/hist.h"
#include "core/context/kick.h"
#include "core/context/stats.h"
#include "core/context/structs.h"
#include "core/device/device.h"

uint64_t hist_quantile(const struct hist *h, unsigned permille)
{
	uint64_t total = 0, want, seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		total += atomic_load(&h->bucket[i]);
	want = (total * permille + 999) / 1000;
	for (unsigned i = 0; total && i < HIST_BUCKETS; i++) {
		seen += atomic_load(&h->bucket[i]);
		if (seen >= want)
			return hist_value(i);
	}
	return 0;
}

static void note_total(struct uhmm *u)
{
	uint64_t now = charge_total(u);
	uint64_t peak =
		atomic_load_explicit(&u->total_peak, memory_order_relaxed);

	while (now > peak &&
	       !atomic_compare_exchange_weak(&u->total_peak, &peak, now))
		;
}

static void add_ram(struct uhmm *u, int delta)
{
	int64_t now = atomic_fetch_add(&u->ram, delta) + delta;
	int64_t peak = atomic_load_explicit(&u->ram_peak, memory_order_relaxed);
	uint64_t limit;

	while (now > peak &&
	       !atomic_compare_exchange_weak(&u->ram_peak, &peak, now))
		;
	if (delta <= 0)
		return;
	note_total(u);
	limit = charge_limit(&u->charge.root);
	if (limit &&
	    (uint64_t)now + slot_idle_pages(&u->slots) + limit / 32 > limit)
		policy_kick(u);
}

void count_ram(struct uhmm *u, int ram, int all)
{
	if (ram)
		add_ram(u, ram);
	if (u->charge.keep && all > 0)
		charge_note(&u->charge.root, all);
}

static void read_counters(struct uhmm *u, struct uhmm_stats *s)
{
	struct counters *c = &u->count;

	s->faults = atomic_load(&c->faults);
	s->soft_faults = atomic_load(&c->soft_faults);
	s->zero_faults = atomic_load(&c->zero_faults);
	s->spurious = atomic_load(&c->spurious);
	s->to_device = atomic_load(&c->to_device);
	s->to_ram = atomic_load(&c->to_ram);
	s->refused = atomic_load(&c->refused);
	s->touched = atomic_load(&c->touched);
	s->discarded = atomic_load(&c->discarded);
	s->evicted = atomic_load(&c->evicted);
	s->poisoned = atomic_load(&c->poisoned);
	s->errors = atomic_load(&c->errors);
	s->limit_waits = atomic_load(&c->limit_waits);
	s->limit_exceeded = atomic_load(&c->limit_exceeded);
	s->blocked_ns = atomic_load(&c->blocked_ns);
	s->unwritten = atomic_load(&c->unwritten);
	s->sunk = atomic_load(&c->sunk);
	s->unchanged = atomic_load(&c->unchanged);
}

static uint64_t pages(_Atomic int64_t *n)
{
	int64_t v = atomic_load(n);

	return v > 0 ? (uint64_t)v : 0;
}

static void ask_watchdog(struct uhmm *u, struct uhmm_stats *s)
{
	device_for_each(u, dev) {
		uint64_t longest = atomic_load(&dev->longest);

		s->stuck_calls += watchdog_stuck(dev, &longest);
		if (longest > s->longest_call_ns)
			s->longest_call_ns = longest;
	}
}

int uhmm_stats(struct uhmm *u, struct uhmm_stats *ret_stats)
{
	struct uhmm_stats s = { .size = 0 };
	size_t size;
	int err;

	if (!u || !ret_stats)
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	err = check_struct(ret_stats, sizeof(s), ret_stats->size);
	if (err)
		return err;
	size = ret_stats->size;
	site_ask_again(u);
	read_counters(u, &s);
	s.pool_pages = atomic_load(&u->slots.pages);
	s.ram_pages = pages(&u->ram) + s.pool_pages;
	s.ram_peak = pages(&u->ram_peak);
	s.device_pages = pages(&u->on_device) + pages(&u->fixed.pages);
	s.frozen_pages = pages(&u->frozen);
	s.kept_pages = pages(&u->kept);
	s.fault_p50_ns = hist_quantile(&u->fault_ns, 500);
	s.fault_p99_ns = hist_quantile(&u->fault_ns, 990);
	s.fault_max_ns = atomic_load(&u->fault_ns.max);
	s.total_pages = charge_total(u);
	s.total_peak = atomic_load(&u->total_peak);
	s.refaults = atomic_load(&u->policy.thrash.refaults);
	s.thrash_addr = atomic_load(&u->policy.thrash.addr);
	s.thrash_len = atomic_load(&u->policy.thrash.len);
	s.unmanaged_peak = atomic_load(&u->policy.unmanaged.most);
	s.unmanaged_shared = atomic_load(&u->policy.unmanaged.shared);
	s.unmanaged_huge = atomic_load(&u->policy.unmanaged.huge);
	ask_watchdog(u, &s);
	s.size = size;
	memcpy(ret_stats, &s, size < sizeof(s) ? size : sizeof(s));
	return 0;
}
