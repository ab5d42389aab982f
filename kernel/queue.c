// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * queue.c - commands for the driver, and its answers.
 *
 * A command that can become longer is pending until another one comes or the
 * driver is called.  The kernel keeps what it asked in memory of its own, and
 * reads an answer once.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/sched.h>

#include "pagemap.h"
#include "ring.h"

#define FREES_A_WAKE 64 /* the driver is not called for fewer */
#define BATCH	     64

/* ---- Commands; @lock is held ---- */

static void send(struct uhmmk_ring *r, u16 tag, struct uhmmk_asked a)
{
	u32 at = r->command_tail & (r->nr_commands - 1);
	u64 slots = r->data - r->area;

	a.is_sent = true;
	a.generation = ++r->generation;
	r->asked[tag] = a;
	r->nr_sent++;
	r->commands[at] = (struct uhmmk_command){
		.op = a.op,
		.tag = tag,
		.npages = a.npages,
		.dpfn = a.index,
		.data = a.op == UHMMK_FREE ? 0 : slots + (u64)tag * PAGE_SIZE,
		.generation = a.generation,
	};
	WRITE_ONCE(r->command_tail, r->command_tail + 1);
	/* Pairs with the driver's load: it sees the command. */
	smp_store_release(&r->queue->command_tail, r->command_tail);
}

void uhmmk_queue_flush(struct uhmmk_ring *r)
{
	if (r->pending.npages)
		send(r, r->pending_tag, r->pending);
	r->pending.npages = 0;
}

void uhmmk_queue_add(struct uhmmk_ring *r, u16 op, u16 tag, u32 index)
{
	struct uhmmk_asked *p = &r->pending;

	if (p->npages && p->op == op && p->npages < UHMMK_MERGE &&
	    p->index + p->npages == index &&
	    r->pending_tag + p->npages == tag) {
		p->npages++;
		return;
	}
	uhmmk_queue_flush(r);
	r->pending_tag = tag;
	*p = (struct uhmmk_asked){ .op = op, .npages = 1, .index = index };
}

/* Return: @nr_tags: each is in use. */
static u32 free_tag(const struct uhmmk_ring *r)
{
	u32 tag = r->nr_slots;

	while (tag < r->nr_tags && r->asked[tag].is_sent)
		tag++;
	return tag;
}

static void send_frees(struct uhmmk_ring *r)
{
	unsigned long from = 0, npages = r->pm->npages;

	while (r->nr_to_free) {
		struct uhmmk_asked a = { .op = UHMMK_FREE };
		unsigned long end;
		u32 tag = free_tag(r);

		if (tag == r->nr_tags)
			return;
		from = find_next_bit(r->to_free, npages, from);
		end = find_next_zero_bit(r->to_free, npages, from);
		a.index = from;
		a.npages = end - from;
		bitmap_clear(r->to_free, from, a.npages);
		r->nr_to_free -= a.npages;
		send(r, tag, a);
	}
	r->frees_wanted = false;
}

static void send_all(struct uhmmk_ring *r)
{
	spin_lock_irq(&r->lock);
	if (!r->dead) {
		uhmmk_queue_flush(r);
		send_frees(r);
	}
	spin_unlock_irq(&r->lock);
}

bool uhmmk_are_frees_due(const struct uhmmk_ring *r)
{
	return r->nr_to_free >= FREES_A_WAKE ||
	       (r->nr_to_free && r->frees_wanted);
}

/* ---- Answers ---- */

static bool is_asked(const struct uhmmk_ring *r, const struct uhmmk_answer *a)
{
	const struct uhmmk_asked *asked;

	if (a->tag >= r->nr_tags)
		return false;
	asked = &r->asked[array_index_nospec(a->tag, r->nr_tags)];
	return asked->is_sent && asked->op == a->op &&
	       asked->npages == a->npages &&
	       asked->generation == a->generation && a->result <= 0 &&
	       a->result >= -MAX_ERRNO;
}

static void count(struct uhmmk_ring *r, const struct uhmmk_asked *asked,
		  int result)
{
	if (result)
		r->failures++;
	else if (asked->op == UHMMK_STORE)
		r->stores += asked->npages;
	else if (asked->op == UHMMK_FETCH)
		r->fetches += asked->npages;
	else
		r->frees += asked->npages;
}

static void accept(struct uhmmk_ring *r, const struct uhmmk_answer *a)
{
	struct uhmmk_asked *asked = &r->asked[a->tag];
	u32 i;

	asked->is_sent = false;
	r->nr_sent--;
	r->progress = jiffies;
	count(r, asked, a->result);
	for (i = asked->index; i < asked->index + asked->npages; i++)
		if (asked->op == UHMMK_FREE)
			uhmmk_page_forget(r, i);
		else
			uhmmk_page_settle(r, i, asked, a->result);
	if (a->result == -ENODEV)
		uhmmk_ring_die(r);
}

static struct uhmmk_answer read_answer(const struct uhmmk_ring *r, u32 nr)
{
	struct uhmmk_answer a;

	memcpy(&a, &r->answers[nr & (r->nr_answers - 1)], sizeof(a));
	barrier(); /* it is read once */
	return a;
}

/* Return: how many are left, or -EPROTO. */
static long take_some(struct uhmmk_ring *r)
{
	/* Pairs with the driver's store: its answers are there. */
	u32 tail = smp_load_acquire(&r->queue->answer_tail), left;

	left = tail - r->answer_head;
	if (left > r->nr_answers) {
		r->lies++;
		return -EPROTO;
	}
	for (tail = r->answer_head + min_t(u32, left, BATCH);
	     r->answer_head != tail; left--) {
		struct uhmmk_answer a = read_answer(r, r->answer_head++);

		if (!r->dead && is_asked(r, &a))
			accept(r, &a);
		else
			r->lies++;
	}
	WRITE_ONCE(r->queue->answer_head, r->answer_head);
	return left;
}

static long take_answers(struct uhmmk_ring *r)
{
	long left;
	u32 before;

	do {
		spin_lock_irq(&r->lock);
		before = r->answer_head;
		left = take_some(r);
		before -= r->answer_head;
		spin_unlock_irq(&r->lock);
		if (before)
			wake_up_all(&r->clients);
		cond_resched();
	} while (left > 0 && !fatal_signal_pending(current));
	return left < 0 ? left : 0;
}

/* ---- Serving ---- */

static bool has_more(struct uhmmk_ring *r)
{
	bool ret;

	spin_lock_irq(&r->lock);
	ret = r->pending.npages ||
	      (uhmmk_are_frees_due(r) && free_tag(r) < r->nr_tags);
	spin_unlock_irq(&r->lock);
	return ret;
}

static bool has_work(struct uhmmk_ring *r)
{
	return READ_ONCE(r->dead) ||
	       READ_ONCE(r->command_tail) !=
		       READ_ONCE(r->queue->command_head) ||
	       has_more(r);
}

long uhmmk_ring_serve(struct uhmmk_ring *r, unsigned int timeout_ms)
{
	long ret;

	WRITE_ONCE(r->driver, current->tgid);
	ret = take_answers(r);
	if (ret)
		return ret;
	ret = wait_event_interruptible_timeout(r->drivers, has_work(r),
					       msecs_to_jiffies(timeout_ms));
	send_all(r);
	if (READ_ONCE(r->dead))
		return -ENODEV;
	return ret < 0 ? -EINTR : 0;
}
