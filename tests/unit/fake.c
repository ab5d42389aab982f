// SPDX-License-Identifier: MIT
/* The fake page table keeps the contract of mm.h. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <uhmm/uhmm.h>

#include "mm/fake/fake.h"
#include "sys/fail.h"
#include "test.h"

#define P MM_PAGE_SIZE

/* A client that fills with zeroes, and remembers. */
static struct {
	struct mm *mm;
	enum mm_outcome answer; /* 0: fill, or unprotect */
	_Atomic unsigned faults;
	unsigned flags;
	unsigned discards, unmaps, remaps;
	uintptr_t start, end, to;
	int in_event; /* what fill() said inside of an event */
} c;

static enum mm_outcome on_fault(void *priv, uintptr_t addr, unsigned flags)
{
	uintptr_t va = addr & ~(P - 1);
	ssize_t n;

	atomic_fetch_add(&c.faults, 1);
	c.flags = flags;
	if (c.answer)
		return c.answer;
	if (flags & MM_FAULT_WP)
		return c.mm->ops->unprotect(c.mm, va, 1) ? MM_RETRY :
							   MM_RESOLVED;
	n = c.mm->ops->zero(c.mm, va, 1, flags & MM_FAULT_WRITE);
	return n == 1 ? MM_RESOLVED : MM_RETRY;
}

static void on_discard(void *priv, uintptr_t start, uintptr_t end)
{
	char page[MM_PAGE_SIZE] = { 0 };

	c.discards++;
	c.start = start;
	c.end = end;
	c.in_event = (int)c.mm->ops->fill(c.mm, start, page, 1);
}

static void on_unmap(void *priv, uintptr_t start, uintptr_t end)
{
	c.unmaps++;
	c.start = start;
	c.end = end;
}

static void on_remap(void *priv, uintptr_t from, uintptr_t to, size_t len)
{
	c.remaps++;
	c.start = from;
	c.to = to;
	c.end = from + len;
}

static const struct mm_client client = {
	.fault = on_fault,
	.discard = on_discard,
	.unmap = on_unmap,
	.remap = on_remap,
};

static struct mm *setup(unsigned mode)
{
	struct mm_params params = {
		.fault_mode = mode,
		.nr_slots = 8,
		.client = &client,
	};

	memset(&c, 0, sizeof(c));
	CHECK_EQ(mm_fake_open(&params, &c.mm), 0);
	CHECK_EQ(fake_map(c.mm, FAKE_BASE, FAKE_BASE + MM_BLOCK_SIZE, MM_ANON),
		 0);
	CHECK_EQ(c.mm->ops->track(c.mm, FAKE_BASE, FAKE_BASE + MM_BLOCK_SIZE),
		 0);
	return c.mm;
}

static unsigned char byte_at(struct mm *mm, uintptr_t addr)
{
	unsigned char byte = 0xee;

	CHECK_EQ(fake_cpu_read(mm, addr, &byte, 1), 0);
	return byte;
}

static void put_byte(struct mm *mm, uintptr_t addr, unsigned char byte)
{
	CHECK_EQ(fake_cpu_write(mm, addr, &byte, 1), 0);
}

/* Freeze @n pages from FAKE_BASE into the first frames of @slot. */
static struct mm_freeze freeze(struct mm *mm, uintptr_t slot, unsigned n)
{
	struct mm_freeze f = { .va = FAKE_BASE, .slot = slot };

	set_add_run(&f.want, 0, n);
	CHECK_EQ(mm->ops->freeze(mm, &f), 0);
	return f;
}

static void test_survey(void)
{
	struct mm *mm = setup(0);
	struct mm_extent e[4];
	uintptr_t gap = FAKE_BASE + MM_BLOCK_SIZE;

	CHECK_EQ(fake_map(mm, gap + P, gap + 2 * P, MM_UNSUPPORTED), 0);
	CHECK_EQ(fake_map(mm, gap, gap + 2 * P, MM_ANON), -EEXIST);
	CHECK_EQ(mm->ops->survey(mm, 0, FAKE_END + P, e, 2), 2);
	CHECK_EQ(e[0].kind, MM_UNMAPPED);
	CHECK_EQ(e[0].end, FAKE_BASE);
	CHECK_EQ(e[1].kind, MM_ANON);
	CHECK_EQ(e[1].end, gap);
	CHECK_EQ(mm->ops->survey(mm, gap, FAKE_END + P, e, 4), 3);
	CHECK_EQ(e[0].kind, MM_UNMAPPED);
	CHECK_EQ(e[1].kind, MM_UNSUPPORTED);
	CHECK_EQ(e[2].kind, MM_UNMAPPED);
	CHECK_EQ(e[2].end, FAKE_END + P);
	CHECK_EQ(mm->ops->track(mm, gap, gap + P), -ENOMEM);
	CHECK_EQ(mm->ops->track(mm, gap + P, gap + 2 * P), -EINVAL);
	CHECK_EQ(fake_map(mm, gap, gap + P, MM_ANON), 0);
	fake_mark(mm, gap, gap + P, FAKE_FOREIGN, true);
	CHECK_EQ(mm->ops->track(mm, gap, gap + P), -EBUSY);
	mm->ops->close(mm);
}

static void test_cpu(void)
{
	struct mm *mm = setup(UHMM_FAULTS_INLINE);
	char text[] = "across a page's edge", back[sizeof(text)];
	uintptr_t at = FAKE_BASE + P - 5;

	CHECK_EQ(fake_cpu_write(mm, at, text, sizeof(text)), 0);
	CHECK_EQ(c.faults, 2);
	CHECK_EQ(c.flags, MM_FAULT_WRITE | MM_FAULT_MAY_BLOCK);
	CHECK_EQ(fake_cpu_read(mm, at, back, sizeof(back)), 0);
	CHECK_STR(back, text);
	CHECK_EQ(c.faults, 2);
	CHECK_EQ(fake_cpu_read(mm, FAKE_END - 1, back, 1), -EFAULT);
	CHECK_EQ(fake_cpu_read(mm, FAKE_END, back, 1), -EFAULT);
	fake_mark(mm, FAKE_BASE, FAKE_BASE + P, FAKE_READONLY, true);
	CHECK_EQ(fake_cpu_write(mm, FAKE_BASE, text, 1), -EACCES);
	CHECK_EQ(byte_at(mm, at), 'a');
	c.answer = MM_SIGBUS;
	CHECK_EQ(fake_cpu_read(mm, FAKE_BASE + 8 * P, back, 1), -EIO);
	mm->ops->close(mm);
}

static void test_framed(void)
{
	struct mm *mm = setup(0);
	uintptr_t slot = mm->ops->slots(mm, 2);
	struct mm_freeze f;
	bool moved = false;

	CHECK(slot);
	CHECK_EQ(slot % MM_BLOCK_SIZE, 0);
	CHECK_EQ(mm->ops->slots(mm, 7), 0);
	put_byte(mm, FAKE_BASE + 7, 'a');
	put_byte(mm, FAKE_BASE + 2 * P, 'b');
	f = freeze(mm, slot, 3);
	CHECK_EQ(f.framed.w[0], 5);
	CHECK_EQ(f.holes.w[0], 2);
	CHECK(set_empty(&f.left));
	CHECK_EQ(*(char *)(slot + 7), 'a');
	CHECK_EQ(fake_state(mm, FAKE_BASE), FAKE_EMPTY);
	CHECK_EQ(mm->ops->give(mm, FAKE_BASE, slot, 3, &moved), 3);
	CHECK(moved);
	CHECK_EQ(*(char *)(slot + 7), 0);
	CHECK_EQ(byte_at(mm, FAKE_BASE + 7), 'a');
	CHECK_EQ(byte_at(mm, FAKE_BASE + 2 * P), 'b');
	CHECK_EQ(mm->ops->give(mm, FAKE_BASE, slot, 3, &moved), -EEXIST);
	for (uintptr_t i = 0; i < MM_BLOCK_PAGES; i++)
		put_byte(mm, FAKE_BASE + i * P, (unsigned char)i);
	CHECK(freeze(mm, slot, MM_BLOCK_PAGES).huge);
	CHECK_EQ(*(unsigned char *)(slot + 300 * P), 300 % 256);
	mm->ops->drop(mm, slot, MM_BLOCK_PAGES);
	CHECK_EQ(*(unsigned char *)(slot + 300 * P), 0);
	mm->ops->close(mm);
}

static void test_left(void)
{
	struct mm *mm = setup(0);
	uintptr_t slot = mm->ops->slots(mm, 1);
	struct mm_freeze f;

	fake_set_move(mm, false);
	put_byte(mm, FAKE_BASE, 'a');
	put_byte(mm, FAKE_BASE + P, 'b');
	f = freeze(mm, slot, 3);
	CHECK_EQ(f.left.w[0], 3);
	CHECK_EQ(f.holes.w[0], 4);
	CHECK(set_empty(&f.framed));
	put_byte(mm, FAKE_BASE, 'A'); /* nothing has happened yet */
	CHECK_EQ(c.faults, 2);
	fake_mark(mm, FAKE_BASE + P, FAKE_BASE + 2 * P, FAKE_LOCKED, true);
	mm->ops->stash(mm, &f);
	CHECK_EQ(f.framed.w[0], 1);
	CHECK_EQ(f.holes.w[0], 4);
	CHECK_EQ(f.why[1], UHMM_WHY_LOCKED);
	CHECK_EQ(*(char *)slot, 'A');
	CHECK_EQ(fake_state(mm, FAKE_BASE), FAKE_EMPTY);
	CHECK_EQ(fake_state(mm, FAKE_BASE + P), FAKE_PRESENT);
	CHECK_EQ(c.discards, 0);
	mm->ops->close(mm);
}

static void test_refusals(void)
{
	static const struct {
		unsigned mark;
		enum uhmm_why why;
	} table[] = {
		{ FAKE_PINNED, UHMM_WHY_PINNED },
		{ FAKE_SHARED, UHMM_WHY_SHARED },
		{ FAKE_LOCKED, UHMM_WHY_LOCKED },
	};
	struct mm *mm = setup(0);
	uintptr_t slot = mm->ops->slots(mm, 1);
	struct mm_freeze f;
	struct mm_set set;

	for (unsigned i = 0; i < 3; i++) {
		put_byte(mm, FAKE_BASE + i * P, 'x');
		fake_mark(mm, FAKE_BASE + i * P, FAKE_BASE + (i + 1) * P,
			  table[i].mark, true);
	}
	CHECK_EQ(mm->ops->poison(mm, FAKE_BASE + 3 * P, 1), 0);
	put_byte(mm, FAKE_BASE + 4 * P, 'x');
	fake_mark(mm, FAKE_BASE + 4 * P, FAKE_BASE + 5 * P, FAKE_READONLY,
		  true);
	f = freeze(mm, slot, 5);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(f.why[i], table[i].why);
	CHECK_EQ(f.why[3], UHMM_WHY_POISONED);
	CHECK_EQ(f.left.w[0], 16);
	CHECK(set_empty(&f.framed));
	CHECK_EQ(mm->ops->resident(mm, FAKE_BASE, 0, 512, &set), 0);
	CHECK_EQ(set.w[0], 0x17);
	CHECK_EQ(fake_cpu_read(mm, FAKE_BASE + 3 * P, &set, 1), -EIO);
	CHECK_EQ(mm->ops->poison(mm, FAKE_BASE, 1), -EEXIST);
	CHECK_EQ(mm->ops->zero(mm, FAKE_BASE + 3 * P, 1, true), -EEXIST);
	mm->ops->close(mm);
}

static void test_fill(void)
{
	struct mm *mm = setup(0);
	uintptr_t end = FAKE_BASE + MM_BLOCK_SIZE;
	static char src[4 * 4096];

	memset(src, 's', sizeof(src));
	CHECK_EQ(mm->ops->fill(mm, FAKE_BASE + P, src, 1), 1);
	CHECK_EQ(mm->ops->fill(mm, FAKE_BASE, src, 4), 1);
	CHECK_EQ(mm->ops->fill(mm, FAKE_BASE, src, 4), -EEXIST);
	CHECK_EQ(mm->ops->fill(mm, end - P, src, 4), 1);
	CHECK_EQ(mm->ops->fill(mm, end, src, 1), -ENOENT);
	CHECK_EQ(byte_at(mm, end - 1), 's');
	CHECK_EQ(mm->ops->zero(mm, FAKE_BASE + 2 * P, 3, false), 3);
	CHECK_EQ(byte_at(mm, FAKE_BASE + 2 * P), 0);
	CHECK_EQ(c.faults, 0);
	mm->ops->close(mm);
}

static void test_events(void)
{
	struct mm *mm = setup(0);
	uintptr_t end = FAKE_BASE + MM_BLOCK_SIZE, to = FAKE_END - P;

	put_byte(mm, FAKE_BASE, 'a');
	fake_discard(mm, FAKE_BASE, FAKE_BASE + 2 * P);
	CHECK_EQ(c.discards, 1);
	CHECK_EQ(c.in_event, -EAGAIN);
	CHECK_EQ(byte_at(mm, FAKE_BASE), 0);
	put_byte(mm, FAKE_BASE, 'b');
	CHECK_EQ(fake_mremap(mm, FAKE_BASE, to, P), 0);
	CHECK_EQ(c.remaps, 1);
	CHECK_EQ(c.start, FAKE_BASE);
	CHECK_EQ(c.to, to);
	CHECK_EQ(byte_at(mm, to), 'b');
	CHECK(fake_is_tracked(mm, to));
	CHECK_EQ(fake_state(mm, FAKE_BASE), FAKE_UNMAPPED);
	CHECK_EQ(fake_mremap(mm, FAKE_BASE, FAKE_BASE + P, P), -EFAULT);
	CHECK_EQ(fake_mremap(mm, FAKE_BASE + P, to, P), -EEXIST);
	fake_munmap(mm, FAKE_BASE, end);
	CHECK_EQ(c.unmaps, 1);
	CHECK_EQ(c.start, FAKE_BASE + P);
	CHECK_EQ(c.end, end);
	CHECK_EQ(fake_map(mm, FAKE_BASE, FAKE_BASE + P, MM_ANON), 0);
	c.faults = 0;
	CHECK_EQ(byte_at(mm, FAKE_BASE), 0); /* not tracked */
	CHECK_EQ(c.faults, 0);
	fake_discard(mm, FAKE_BASE, FAKE_BASE + P);
	CHECK_EQ(c.discards, 1);
	mm->ops->close(mm);
}

static void *waits_for_b(void *arg)
{
	struct mm *mm = arg;

	return (void *)(uintptr_t)(byte_at(mm, FAKE_BASE) == 'b');
}

static void test_wait(void)
{
	struct mm *mm = setup(0);
	char page[MM_PAGE_SIZE] = "b";
	pthread_t thread;
	void *ok;

	c.answer = MM_WAIT;
	CHECK_EQ(pthread_create(&thread, NULL, waits_for_b, mm), 0);
	while (atomic_load(&c.faults) < 3)
		mm->ops->wake(mm, FAKE_BASE, 1);
	CHECK_EQ(mm->ops->fill(mm, FAKE_BASE, page, 1), 1);
	CHECK_EQ(pthread_join(thread, &ok), 0);
	CHECK(ok);
	mm->ops->close(mm);
}

static void test_failures(void)
{
	struct mm *mm = setup(0);
	struct mm_freeze f = { .va = FAKE_BASE };
	bool refused = false, partial = false;
	uintptr_t slot = mm->ops->slots(mm, 1);

	sys_fail_arm(1);
	CHECK_EQ(mm->ops->freeze(mm, &f), -EAGAIN);
	CHECK_STR(sys_fail_disarm(), "fake freeze");
	sys_fail_arm(2);
	CHECK_EQ(mm->ops->zero(mm, FAKE_BASE, 1, false), 1);
	CHECK_EQ(mm->ops->zero(mm, FAKE_BASE + P, 1, false), -ENOMEM);
	CHECK_STR(sys_fail_disarm(), "fake zero");

	fake_set_refusals(mm, 20, 1);
	for (int i = 0; i < 100; i++) {
		ssize_t n = mm->ops->zero(mm, FAKE_BASE + P, 64, false);

		refused |= n == -EAGAIN;
		partial |= n > 0 && n < 64;
		fake_discard(mm, FAKE_BASE + P, FAKE_BASE + MM_BLOCK_SIZE);
	}
	CHECK(refused);
	CHECK(partial);
	CHECK(slot);
	mm->ops->close(mm);
}

static void test_features(void)
{
	struct mm_params params = {
		.fault_mode = UHMM_FAULTS_INLINE,
		.features_off = "poison,move",
		.client = &client,
	};
	char buf[32];
	struct mm *mm;

	CHECK_EQ(mm_fake_open(&params, &mm), 0);
	CHECK_EQ(mm->ops->features(mm, buf, sizeof(buf)), 6);
	CHECK_STR(buf, "inline");
	CHECK(!mm->can_move);
	mm->ops->close(mm);
	for (int nth = 1;; nth++) {
		int err;

		sys_fail_arm(nth);
		err = mm_fake_open(&params, &mm);
		if (!sys_fail_disarm()) {
			CHECK_EQ(err, 0);
			break;
		}
		CHECK_EQ(err, -ENOMEM);
	}
	mm->ops->close(mm);
}

int main(void)
{
	test_survey();
	test_cpu();
	test_framed();
	test_left();
	test_refusals();
	test_fill();
	test_events();
	test_wait();
	test_failures();
	test_features();
	return 0;
}
