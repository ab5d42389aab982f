/* SPDX-License-Identifier: MIT */
/*
 * budget.c - how much each member may have; see README.md
 *
 * A sum is taken over seats that change meanwhile.  A member writes its claim
 * first and adds up all seats then.  So two members that claim the same rest
 * may both get less than is left, and never more.
 */
#include <errno.h>
#include <string.h>

#include "core/budget/budget_int.h"
#include "mm/mm.h"
#include "sys/local.h"
#include "sys/sys.h"

#define RESERVE 16 /* of the total: kept from grants beyond a fair share */
#define REAP_NS (10 * 1000 * 1000)
#define SLACK	64 /* pages that a member keeps beyond what it uses */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t budget_total(const struct uhmm_budget *b)
{
	return atomic_load(&b->shared->total);
}

/* An equal part for each member. */
static uint64_t fair_share(const struct uhmm_budget *b)
{
	uint32_t members = budget_sum(b).members;

	return budget_total(b) / (members ? members : 1);
}

/* The part of the total that the grants of all other members leave. */
static uint64_t room_for(const struct uhmm_budget *b,
			 const struct budget_seat *mine)
{
	struct budget_seat *s;
	uint64_t others = 0;
	uint32_t n = 0;

	while ((s = budget_next(b, &n)))
		if (s != mine)
			others += atomic_load(&s->grant);
	return less(budget_total(b), others);
}

/*
 * Limit @want to @room.  Beyond a fair share, leave a reserve for members that
 * may join later.
 */
static uint64_t within(const struct uhmm_budget *b, uint64_t want,
		       uint64_t room)
{
	uint64_t fair = fair_share(b);
	uint64_t rest = less(room, budget_total(b) / RESERVE);

	return want <= fair ? min(want, room) :
			      max(min(fair, room), min(want, rest));
}

uint64_t budget_raise(struct uhmm_budget *b, uint64_t want)
{
	struct budget_seat *s = budget_seat(b);
	uint64_t had = atomic_load(&s->grant), room;
	uint64_t target = atomic_load(&s->target);

	if (want <= had || (target && want > target))
		return had;
	want = within(b, want, room_for(b, s));
	if (want <= had)
		return had;
	atomic_store(&s->grant, want);
	room = room_for(b, s);
	if (want > room) {
		want = max(had, room);
		atomic_store(&s->grant, want);
	}
	return want;
}

void budget_lower(struct uhmm_budget *b, uint64_t to)
{
	struct budget_seat *s = budget_seat(b);

	if (to < atomic_load(&s->grant))
		atomic_store(&s->grant, to);
}

/*
 * Has no member got these @pages?  Members may have ended; whether they have is
 * looked up from time to time only, because that reads a file for each.
 */
static bool has_free(struct uhmm_budget *b, uint64_t pages)
{
	uint64_t now = sys_now_ns();

	if (now - b->reaped_ns >= REAP_NS) {
		b->reaped_ns = now;
		budget_reap(b);
	}
	return less(budget_total(b), budget_sum(b).granted) >= pages;
}

bool budget_settle(struct uhmm_budget *b)
{
	struct budget_seat *s = budget_seat(b);
	uint64_t target = atomic_load(&s->target);
	uint64_t grant = atomic_load(&s->grant);

	if (target && grant > target && !has_free(b, grant - target))
		return false;
	return !target ||
	       atomic_compare_exchange_strong(&s->target, &target, 0);
}

bool budget_is_poor(struct uhmm_budget *b)
{
	return atomic_load(&budget_seat(b)->grant) < fair_share(b);
}

bool budget_is_passed(struct uhmm_budget *b, uint64_t slack)
{
	if (budget_sum(b).used <= budget_total(b) + slack)
		return false;
	budget_reap(b);
	return budget_sum(b).used > budget_total(b) + slack;
}

/*
 * Before a new peak is recorded, the seats of processes that ended are freed.
 */
void budget_note(struct uhmm_budget *b, uint64_t used)
{
	uint64_t peak = atomic_load(&b->shared->peak), sum;

	atomic_store(&budget_seat(b)->used, used);
	sum = budget_sum(b).used;
	if (sum > peak) {
		budget_reap(b);
		sum = budget_sum(b).used;
	}
	while (sum > peak &&
	       !atomic_compare_exchange_weak(&b->shared->peak, &peak, sum))
		;
}

/* ---- Asking others ---- */

static void ask_for(struct budget_seat *s, uint64_t to)
{
	uint64_t was = atomic_load(&s->target);

	to = max(to, BUDGET_FLOOR);
	while ((!was || to < was) &&
	       !atomic_compare_exchange_weak(&s->target, &was, to))
		;
	budget_kick(s);
}

/*
 * Ask the member of @s for up to @need pages.  Return: how many it is asked
 * for.
 */
static uint64_t ask_one(struct budget_seat *s, uint64_t fair, bool is_poor,
			uint64_t need)
{
	uint64_t grant = atomic_load(&s->grant);
	uint64_t give = less(grant, atomic_load(&s->used) + SLACK);

	if (is_poor)
		give = max(give, less(grant, fair));
	give = min(give, need);
	if (give) {
		ask_for(s, grant - give);
	} else if (grant > fair / 4) {
		atomic_store(&s->taxed, 1);
		budget_kick(s);
	}
	return give;
}

void budget_ask(struct uhmm_budget *b, uint64_t need)
{
	struct budget_seat *s, *mine = budget_seat(b);
	uint64_t fair;
	uint32_t n = 0;

	budget_reap(b);
	fair = fair_share(b);
	while (need && (s = budget_next(b, &n)))
		if (s != mine)
			need -= ask_one(s, fair,
					atomic_load(&mine->grant) < fair, need);
}

static void shrink_all(struct uhmm_budget *b, uint64_t total)
{
	uint64_t sum = budget_sum(b).granted, grant;
	struct budget_seat *s;

	for (uint32_t n = 0; sum > total && (s = budget_next(b, &n));) {
		grant = atomic_load(&s->grant);
		ask_for(s, (uint64_t)((double)grant * (double)total /
				      (double)sum));
	}
}

void budget_set_total(struct uhmm_budget *b, uint64_t total)
{
	struct budget_seat *s;

	atomic_store(&b->shared->total, total);
	budget_reap(b);
	shrink_all(b, total);
	for (uint32_t n = 0; (s = budget_next(b, &n));)
		budget_kick(s);
}

/* ---- Public ---- */

int uhmm_budget_set(struct uhmm_budget *b, uint64_t bytes)
{
	if (!b || !bytes || bytes % MM_PAGE_SIZE)
		return -EINVAL;
	budget_set_total(b, bytes >> MM_PAGE_SHIFT);
	return 0;
}

int uhmm_budget_claim(struct uhmm_budget *b, uint64_t bytes,
		      uint64_t *ret_granted)
{
	uint64_t want = less(bytes + MM_PAGE_SIZE, 1) >> MM_PAGE_SHIFT, got;
	struct budget_seat *s;
	uint64_t target;

	if (!b || !ret_granted || bytes > UINT64_MAX / 2)
		return -EINVAL;
	if (atomic_load(&b->user) == (uint32_t)sys_pid())
		return -EBUSY;
	s = budget_seat(b);
	budget_lower(b, want);
	budget_settle(b);
	got = budget_raise(b, want);
	if (got < want) {
		budget_ask(b, want - got);
		got = budget_raise(b, want);
	}
	target = atomic_load(&s->target);
	if (target)
		got = min(got, target);
	budget_note(b, min(want, got));
	*ret_granted = got << MM_PAGE_SHIFT;
	return 0;
}
