/* SPDX-License-Identifier: MIT */
/*
 * mm-uffd - each op of the userfaultfd backend, without the core above it, in
 * both fault modes and with features turned off.
 *
 * A tiny client stands in for the core: one byte of state for each page of one
 * area and a copy of what is away.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "mm/mm.h"
#include "sys/fail.h"
#include "sys/lock.h"
#include "sys/sys.h"

enum {
	BLOCKS = 2,
	PAGES = BLOCKS * 512,
	SLOTS = 8
};
#define AREA (BLOCKS * MM_BLOCK_SIZE)

enum state {
	RAM,
	AWAY,
	HELD,
	LOST
};

static struct {
	struct mm *mm;
	char *area;	       /* tracked */
	char *device;	       /* what is AWAY, sys_alloc'd */
	struct sys_mutex lock; /* of all below */
	_Atomic uint8_t state[PAGES];
	_Atomic unsigned discards[PAGES];
	_Atomic unsigned faults, wp_faults, waits;
	_Atomic uintptr_t unmapped, remapped_to;
	_Atomic uint32_t held; /* a fault waits for a HELD page */
} t;

static const char *config;
static int failures;

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("%s: line %d: %s\n", config, __LINE__, #cond); \
			failures++;                                           \
		}                                                             \
	} while (0)

static char *page(unsigned i)
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

static const struct mm_client client = {
	.fault = on_fault,
	.discard = on_discard,
	.unmap = on_unmap,
	.remap = on_remap,
};

/* ---- Helpers ---- */

static void fill_area(unsigned first, unsigned last, unsigned seed)
{
	for (unsigned i = first; i < last; i++)
		memset(page(i), (int)(i * 7 + seed) & 0xff, MM_PAGE_SIZE);
}

static bool area_is(unsigned first, unsigned last, unsigned seed)
{
	for (unsigned i = first; i < last; i++)
		for (unsigned j = 0; j < MM_PAGE_SIZE; j += 511)
			if ((unsigned char)page(i)[j] !=
			    ((i * 7 + seed) & 0xff))
				return false;
	return true;
}

static void map_area(int advice)
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

static void track_area(void)
{
	CHECK(!t.mm->ops->track(t.mm, (uintptr_t)t.area,
				(uintptr_t)t.area + AREA));
}

static void unmap_area(void)
{
	uintptr_t p = (uintptr_t)t.area;

	CHECK(!t.mm->ops->untrack(t.mm, p, p + AREA, NULL, NULL));
	munmap(t.area, AREA);
	t.area = NULL;
}

static bool sweeping;

/* Freeze pages of the first block into a slot of its own. */
static struct mm_freeze *freeze(unsigned first, unsigned last, unsigned step)
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

static void set_states(const struct mm_set *set, int state)
{
	sys_mutex_lock(&t.lock);
	set_for_each(set, i)
		t.state[i] = state;
	sys_mutex_unlock(&t.lock);
}

/* What was left is taken by its mapping. */
static void stash(struct mm_freeze *f)
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
static unsigned send_away(struct mm_freeze *f)
{
	stash(f);
	set_for_each(&f->framed, i)
		memcpy(t.device + i * MM_PAGE_SIZE,
		       (char *)f->slot + i * MM_PAGE_SIZE, MM_PAGE_SIZE);
	t.mm->ops->drop(t.mm, f->slot, 512);
	set_states(&f->framed, AWAY);
	return set_count(&f->framed);
}

static bool has(const char *feature)
{
	char buf[256];
	char *p;

	t.mm->ops->features(t.mm, buf, sizeof(buf));
	p = strstr(buf, feature);
	return p && (p[strlen(feature)] == ',' || !p[strlen(feature)]);
}

/* ---- Tests ---- */

static void test_give_back(void)
{
	struct mm_freeze *f;
	bool moved;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 1);
	track_area();
	f = freeze(0, 512, 1);
	CHECK(set_full(t.mm->can_move ? &f->framed : &f->left));
	CHECK(!f->huge && set_empty(&f->holes));
	stash(f);
	CHECK(set_full(&f->framed));
	CHECK(t.mm->ops->give(t.mm, f->va, f->slot, 512, &moved) == 512);
	CHECK(moved == t.mm->can_move);
	t.mm->ops->drop(t.mm, f->slot, 512);
	CHECK(area_is(0, 512, 1));
	fill_area(0, 512, 2);
	CHECK(t.faults == 0);
	unmap_area();
}

static void test_away_and_touch(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 3);
	track_area();
	f = freeze(10, 300, 1);
	CHECK(send_away(f) == 290);
	CHECK(area_is(0, 512, 3));
	CHECK(t.faults == 290);
	fill_area(0, 512, 4);
	CHECK(t.faults == 290);
	unmap_area();
}

static void test_holes(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(100, 200, 5);
	track_area();
	f = freeze(50, 250, 1);
	CHECK(set_count(&f->holes) == 100);
	CHECK(!set_has(&f->holes, 100) && set_has(&f->holes, 99));
	CHECK(send_away(f) == 100);
	CHECK(area_is(100, 200, 5));
	CHECK(page(60)[5] == 0);
	page(61)[5] = 1;
	CHECK(page(61)[5] == 1 && page(61)[6] == 0);
	unmap_area();
}

static void test_huge(void)
{
	struct mm_freeze *f;
	bool moved;

	map_area(MADV_HUGEPAGE);
	fill_area(0, 512, 6);
	track_area();
	f = freeze(0, 512, 1);
	if (!t.mm->can_move) {
		CHECK(send_away(f) == 512);
	} else {
		CHECK(set_full(&f->framed));
		CHECK(f->huge == has("scan"));
		CHECK(t.mm->ops->give(t.mm, f->va, f->slot, 512, &moved) ==
		      512);
		CHECK(moved || !f->huge);
		f = freeze(0, 512, 1);
		CHECK(f->huge == has("scan"));
		CHECK(send_away(f) == 512);
	}
	CHECK(area_is(0, 512, 6));
	unmap_area();
}

static void test_part_of_huge(void)
{
	struct mm_freeze *f;

	map_area(MADV_HUGEPAGE);
	fill_area(0, 512, 7);
	track_area();
	f = freeze(7, 19, 1);
	CHECK(send_away(f) == 12);
	CHECK(area_is(0, 512, 7));
	unmap_area();
}

static void test_scattered(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 8);
	track_area();
	f = freeze(1, 512, 2);
	CHECK(send_away(f) == 256);
	for (unsigned i = 0; i < 512; i++)
		CHECK(!t.discards[i]);
	CHECK(area_is(0, 512, 8));
	fill_area(0, 512, 9);
	CHECK(t.faults == 256);
	CHECK(area_is(0, 512, 9));
	unmap_area();
}

/* All goes, and what was not wanted comes back: a copy, not a move. */
static void test_sweep(void)
{
	struct mm_freeze *f;
	struct mm_set extra;
	bool moved;

	if (!t.mm->can_move)
		return;
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 24);
	track_area();
	sweeping = true;
	f = freeze(0, 500, 2);
	sweeping = false;
	CHECK(set_empty(&f->left) && set_empty(&f->holes));
	CHECK(set_count(&f->framed) == 499);
	extra = set_minus(&f->framed, &f->want);
	set_for_each(&extra, i) {
		uintptr_t va = (uintptr_t)page(i);

		CHECK(t.mm->ops->give(t.mm, va, f->slot + i * MM_PAGE_SIZE, 1,
				      &moved) == 1);
	}
	f->framed = f->want;
	CHECK(send_away(f) == 250);
	CHECK(area_is(0, 512, 24));
	CHECK(t.faults == 250);
	unmap_area();
}

static char *frame(const struct mm_freeze *f, unsigned i)
{
	return (char *)f->slot + i * MM_PAGE_SIZE;
}

/* What changed since freeze() is not touched, be it at the same address. */
static void test_stash(void)
{
	struct mm_freeze *f;

	if (t.mm->can_move)
		return;
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 1024, 25);
	track_area();
	f = freeze(0, 512, 1);
	CHECK(set_full(&f->left));
	munmap(t.area, AREA);
	CHECK(mmap(t.area, AREA, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == t.area);
	fill_area(0, 1024, 26);
	stash(f);
	CHECK(set_empty(&f->framed) && f->why[7] == UHMM_WHY_BUSY);
	CHECK(area_is(0, 1024, 26));
	/* of several mappings each on its own, the unmapped ones not */
	track_area();
	f = freeze(0, 512, 1);
	mprotect(page(100), MM_PAGE_SIZE, PROT_READ);
	stash(f);
	CHECK(set_full(&f->framed));
	frame(f, 100)[0] ^= 0; /* ours to write to */
	CHECK(!t.remapped_to);
	CHECK(send_away(f) == 512);
	CHECK(area_is(0, 1024, 26));
	CHECK(t.faults == 512);
	CHECK(frame(f, 0)[0] == 0 && frame(f, 511)[MM_PAGE_SIZE - 1] == 0);
	unmap_area();
}

static void test_read_only(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 10);
	mprotect(page(100), 100 * MM_PAGE_SIZE, PROT_READ);
	track_area();
	f = freeze(0, 512, 1);
	CHECK(set_count(&f->left) == (t.mm->can_move ? 100 : 512));
	CHECK(send_away(f) == 512);
	CHECK(area_is(0, 512, 10));
	CHECK(t.faults == 512);
	unmap_area();
}

static void test_locked(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 13);
	track_area();
	/* Not mlock(), which AddressSanitizer makes do nothing. */
	CHECK(!syscall(SYS_mlock, page(10), 20 * MM_PAGE_SIZE));
	f = freeze(0, 512, 1);
	if (t.mm->can_move)
		CHECK(set_count(&f->framed) == 492);
	else
		stash(f);
	CHECK(f->why[10] == UHMM_WHY_LOCKED);
	CHECK(f->why[29] == UHMM_WHY_LOCKED);
	CHECK(f->why[30] == UHMM_WHY_OK);
	CHECK(send_away(f) == 492);
	CHECK(area_is(0, 512, 13));
	fill_area(0, 512, 14);
	syscall(SYS_munlock, t.area, AREA);
	unmap_area();
}

static void test_shared(void)
{
	struct mm_freeze *f;
	int fds[2];
	pid_t pid;
	char c;

	if (!t.mm->can_move)
		return;
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 15);
	track_area();
	CHECK(!pipe(fds));
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) != 0);
	}
	fill_area(0, 5, 15);
	f = freeze(0, 20, 1);
	CHECK(set_count(&f->framed) == 5);
	CHECK(f->why[5] == UHMM_WHY_SHARED && f->why[19] == UHMM_WHY_SHARED);
	CHECK(send_away(f) == 5);
	CHECK(area_is(0, 20, 15));
	close(fds[0]);
	close(fds[1]);
	CHECK(waitpid(pid, NULL, 0) == pid);
	unmap_area();
}

static void test_pinned(void)
{
	struct io_uring_params params = { 0 };
	struct mm_freeze *f;
	struct iovec vec;
	int ring;

	if (!t.mm->can_move)
		return;
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 16);
	track_area();
	ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	vec = (struct iovec){ page(7), 2 * MM_PAGE_SIZE };
	if (ring >= 0 && !syscall(SYS_io_uring_register, ring,
				  IORING_REGISTER_BUFFERS, &vec, 1)) {
		f = freeze(0, 20, 1);
		CHECK(set_count(&f->framed) == 18);
		CHECK(f->why[7] == UHMM_WHY_PINNED);
		CHECK(f->why[8] == UHMM_WHY_PINNED);
		CHECK(send_away(f) == 18);
		CHECK(area_is(0, 20, 16));
	}
	close(ring);
	unmap_area();
}

static void test_events(void)
{
	char *to = sys_reserve(MM_PAGE_SIZE, MM_PAGE_SIZE);
	char *p;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 17);
	track_area();
	madvise(page(3), 2 * MM_PAGE_SIZE, MADV_DONTNEED);
	/* Read by the time the call returns, applied a moment later. */
	while (!t.discards[4])
		sys_yield();
	CHECK(t.discards[3] == 1 && t.discards[4] == 1);
	CHECK(!t.discards[2] && !t.discards[5]);
	CHECK(page(3)[0] == 0);
	p = mremap(page(511), MM_PAGE_SIZE, MM_PAGE_SIZE,
		   MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(p == to);
	while (!t.remapped_to)
		sys_yield();
	CHECK(t.remapped_to == (uintptr_t)to);
	munmap(page(510), MM_PAGE_SIZE);
	/* After that of the place that mremap() left. */
	while (t.unmapped != (uintptr_t)page(510))
		sys_yield();
	t.mm->ops->untrack(t.mm, (uintptr_t)to, (uintptr_t)to + MM_PAGE_SIZE,
			   NULL, NULL);
	munmap(to, MM_PAGE_SIZE);
	unmap_area();
}

static void test_system_calls(void)
{
	struct mm_freeze *f;
	char buf[16];
	int fds[2];

	if (t.mm->is_inline || !has("kernel-faults"))
		return;
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 18);
	track_area();
	f = freeze(0, 20, 1);
	CHECK(send_away(f) == 20);
	CHECK(!pipe(fds));
	CHECK(write(fds[1], page(3), 16) == 16);
	CHECK(read(fds[0], buf, 16) == 16);
	CHECK(!memcmp(buf, page(3), 16));
	CHECK(write(fds[1], page(3), 16) == 16);
	CHECK(read(fds[0], page(400), 16) == 16);
	CHECK(!memcmp(page(400), page(3), 16));
	close(fds[0]);
	close(fds[1]);
	unmap_area();
}

static void *touch(void *arg)
{
	*(volatile char *)arg = 1;
	return NULL;
}

static void test_wait(void)
{
	struct mm_freeze *f;
	pthread_t thread;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 19);
	track_area();
	f = freeze(3, 4, 1);
	CHECK(send_away(f) == 1);
	t.state[3] = HELD;
	t.held = 0;
	CHECK(!pthread_create(&thread, NULL, touch, page(3)));
	while (!t.held)
		sys_futex_wait(&t.held, 0, 0);
	sys_mutex_lock(&t.lock);
	t.state[3] = AWAY;
	sys_mutex_unlock(&t.lock);
	t.mm->ops->wake(t.mm, (uintptr_t)page(3), 1);
	pthread_join(thread, NULL);
	CHECK(page(3)[0] == 1);
	sys_mutex_lock(&t.lock);
	CHECK(t.state[3] == RAM);
	sys_mutex_unlock(&t.lock);
	unmap_area();
}

/* A waiting thread goes on when device memory is placed at its address. */
static void test_resume(void)
{
	struct mm_place p = { .npages = 1 };
	pthread_t thread;
	char byte;

	p.fd = memfd_create("mm-uffd", MFD_CLOEXEC);
	CHECK(!ftruncate(p.fd, MM_PAGE_SIZE));
	map_area(MADV_NOHUGEPAGE);
	track_area();
	t.state[3] = HELD;
	t.held = 0;
	p.va = (uintptr_t)page(3);
	CHECK(!pthread_create(&thread, NULL, touch, page(3)));
	while (!t.held)
		sys_futex_wait(&t.held, 0, 0);
	p.stamp = t.mm->ops->stamp(t.mm, p.va);
	CHECK(t.mm->ops->place(t.mm, &p) == 1);
	CHECK(t.mm->ops->is_placed(t.mm, p.va, p.fd, 0));
	sys_mutex_lock(&t.lock);
	t.state[3] = RAM;
	sys_mutex_unlock(&t.lock);
	CHECK(!t.mm->ops->resume(t.mm, p.va, 1) || !p.watched);
	pthread_join(thread, NULL);
	CHECK(pread(p.fd, &byte, 1, 0) == 1 && byte == 1);
	p.stamp = t.mm->ops->stamp(t.mm, p.va);
	CHECK(t.mm->ops->unplace(t.mm, &p) == 1);
	CHECK(!t.mm->ops->is_placed(t.mm, p.va, p.fd, 0));
	close(p.fd);
	unmap_area();
}

static sigjmp_buf on_bus;
static volatile sig_atomic_t bus_count;

static void bus_handler(int sig, siginfo_t *info, void *context)
{
	bus_count++;
	siglongjmp(on_bus, 1);
}

static bool touch_raises_bus(char *p)
{
	if (sigsetjmp(on_bus, 1))
		return true;
	*(volatile char *)p = 1;
	return false;
}

static void test_poison(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 20);
	track_area();
	f = freeze(3, 5, 1);
	CHECK(send_away(f) == 2);
	t.state[3] = LOST;
	CHECK(touch_raises_bus(page(3)));
	CHECK(touch_raises_bus(page(3)));
	CHECK(!touch_raises_bus(page(2)));
	CHECK(!touch_raises_bus(page(4)));
	madvise(page(3), MM_PAGE_SIZE, MADV_DONTNEED);
	CHECK(!touch_raises_bus(page(3)));
	unmap_area();
}

static void test_survey(void)
{
	struct mm_extent e[16];
	uintptr_t p;
	ssize_t n;

	map_area(MADV_NOHUGEPAGE);
	p = (uintptr_t)t.area;
	munmap(page(10), MM_PAGE_SIZE);
	CHECK(mmap(page(20), MM_PAGE_SIZE, PROT_READ,
		   MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == page(20));
	mprotect(page(30), MM_PAGE_SIZE, PROT_READ);
	n = t.mm->ops->survey(t.mm, p, p + AREA, e, 16);
	CHECK(n == 7);
	CHECK(e[0].kind == MM_ANON && e[0].start == p);
	CHECK(e[1].kind == MM_UNMAPPED && e[1].start == (uintptr_t)page(10));
	CHECK(e[2].kind == MM_ANON && e[2].start == (uintptr_t)page(11));
	CHECK(e[3].kind == MM_UNSUPPORTED &&
	      e[3].start == (uintptr_t)page(20) &&
	      e[3].end == (uintptr_t)page(21));
	CHECK(e[4].kind == MM_ANON && e[4].end == (uintptr_t)page(30));
	CHECK(e[5].kind == MM_ANON && e[5].end == (uintptr_t)page(31));
	CHECK(e[6].kind == MM_ANON && e[6].end == p + AREA);
	CHECK(t.mm->ops->survey(t.mm, p, p + AREA, e, 2) == 2);
	munmap(t.area, AREA);
	p = t.mm->ops->slots(t.mm, 1);
	CHECK(t.mm->ops->survey(t.mm, p, p + MM_BLOCK_SIZE, e, 16) == 1);
	CHECK(e[0].kind == MM_UNSUPPORTED);
	p = (uintptr_t)&n & ~(MM_PAGE_SIZE - 1);
	CHECK(t.mm->ops->survey(t.mm, p, p + MM_PAGE_SIZE, e, 16) == 1);
	CHECK(e[0].kind == MM_ANON);
	p = (uintptr_t)test_survey & ~(MM_PAGE_SIZE - 1);
	CHECK(t.mm->ops->survey(t.mm, p, p + MM_PAGE_SIZE, e, 16) == 1);
	CHECK(e[0].kind == MM_UNSUPPORTED);
}

static void test_resident(void)
{
	struct mm_set set;

	map_area(MADV_NOHUGEPAGE);
	fill_area(7, 9, 1);
	fill_area(100, 300, 1);
	CHECK(!t.mm->ops->resident(t.mm, (uintptr_t)t.area, 0, 512, &set));
	CHECK(set_count(&set) == 202);
	CHECK(set_has(&set, 7) && !set_has(&set, 9) && set_has(&set, 299));
	munmap(t.area, AREA);
}

static void test_fill_short(void)
{
	map_area(MADV_NOHUGEPAGE);
	fill_area(5, 6, 1);
	track_area();
	sys_mutex_lock(&t.lock);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(0), t.device, 10) == 5);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(5), t.device, 5) ==
	      -EEXIST);
	CHECK(t.mm->ops->zero(t.mm, (uintptr_t)page(6), 100, true) == 100);
	CHECK(t.mm->ops->zero(t.mm, (uintptr_t)page(106), 100, false) == 100);
	CHECK(t.mm->ops->zero(t.mm, (uintptr_t)page(0), 1, false) == -EEXIST);
	sys_mutex_unlock(&t.lock);
	munmap(page(300), 10 * MM_PAGE_SIZE);
	while (!t.unmapped)
		sys_yield();
	sys_mutex_lock(&t.lock);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(290), t.device, 30) == 10);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(300), t.device, 1) ==
	      -ENOENT);
	sys_mutex_unlock(&t.lock);
	CHECK(t.faults == 0);
	unmap_area();
}

static void *storm_thread(void *arg)
{
	unsigned *end = arg;

	for (unsigned i = 0; i < *end; i++) {
		char *p = mmap(NULL, MM_PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uintptr_t v = (uintptr_t)p;

		if (t.mm->ops->track(t.mm, v, v + MM_PAGE_SIZE))
			return arg;
		t.mm->ops->zero(t.mm, v, 1, true);
		munmap(p, MM_PAGE_SIZE);
	}
	return NULL;
}

/* Two threads track and unmap, a third migrates: no deadlock, no loss. */
static void test_storm(void)
{
	static unsigned rounds = 300;
	void *error;
	pthread_t thread[2];

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 21);
	track_area();
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, storm_thread, &rounds));
	for (unsigned i = 0; i < 20; i++) {
		CHECK(send_away(freeze(0, 512, 1)) <= 512);
		CHECK(area_is(0, 512, 21));
		t.mm->ops->unprotect(t.mm, (uintptr_t)t.area, 512);
	}
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], &error) && !error);
	unmap_area();
}

/* Or not, for a fork. */
static void hide_area(bool hide)
{
	uintptr_t start = (uintptr_t)t.area;

	t.mm->ops->fork_hide(t.mm, start, start + AREA, hide);
}

/* Once the parent has let go of it, all is unregistered in the child. */
static void become_child(void)
{
	int fd = t.mm->ops->fork_take(t.mm);

	if (fd >= 0)
		close(fd);
	t.mm->ops->child(t.mm);
}

static void test_child(void)
{
	int status;
	pid_t pid;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 22);
	track_area();
	CHECK(!t.mm->ops->fork_begin(t.mm));
	hide_area(false);
	pid = fork();
	if (pid == 0) {
		become_child();
		if (!area_is(0, 20, 22))
			_exit(1);
		fill_area(0, 40, 23);
		t.mm->ops->close(t.mm);
		_exit(!area_is(0, 40, 23));
	}
	t.mm->ops->fork_end(t.mm);
	hide_area(true);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(area_is(0, 20, 22));
	unmap_area();
}

/* ---- The n-th call fails ---- */

static void go_away_and_back(void)
{
	static struct mm_freeze f;
	int ret;

	set_clear(&f.want);
	set_add_run(&f.want, 0, 20);
	f.va = (uintptr_t)t.area;
	f.slot = t.mm->ops->slots(t.mm, 1);
	for (int i = 0; i < 100; i++) {
		sys_mutex_lock(&t.lock);
		ret = t.mm->ops->freeze(t.mm, &f);
		sys_mutex_unlock(&t.lock);
		if (ret != -EAGAIN)
			break;
	}
	if (!ret)
		send_away(&f);
	CHECK(area_is(0, 12, 27));
	t.mm->ops->unprotect(t.mm, f.va, 512);
	fill_area(0, 14, 28);
	CHECK(area_is(0, 14, 28));
}

/* Return: 2 when no call failed. */
static int run_failing(const struct mm_params *params, int n)
{
	const char *what;

	alarm(20);
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 12, 27);
	sys_fail_arm(n);
	if (!mm_uffd_open(params, &t.mm)) {
		uintptr_t p = (uintptr_t)t.area;
		int ret = t.mm->ops->track(t.mm, p, p + AREA);

		if (!ret) {
			go_away_and_back();
			t.mm->ops->untrack(t.mm, p, p + AREA, NULL, NULL);
		}
		t.mm->ops->close(t.mm);
	}
	what = sys_fail_disarm();
	if (!what)
		return 2;
	if (failures)
		printf("call %d failed: %s\n", n, what);
	return !!failures;
}

static int inject(unsigned mode, const char *off)
{
	struct mm_params params = {
		.fault_mode = mode,
		.nr_slots = SLOTS,
		.features_off = off,
		.client = &client,
	};
	int ret = 0, status = 0;

	config = mode == UHMM_FAULTS_INLINE ? "inject-inline" : "inject";
	for (int n = 1; n < 10000 && status != 2 << 8; n++) {
		pid_t pid = fork();

		if (pid == 0)
			exit(run_failing(&params, n));
		waitpid(pid, &status, 0);
		if (status && status != 2 << 8) {
			printf("%s: call %d: status %#x\n", config, n, status);
			ret = 1;
		}
	}
	return ret;
}

/* ---- Configurations ---- */

static void (*const tests[])(void) = {
	test_give_back,	   test_away_and_touch, test_holes,    test_huge,
	test_part_of_huge, test_scattered,	test_sweep,    test_stash,
	test_read_only,	   test_locked,		test_shared,   test_pinned,
	test_events,	   test_system_calls,	test_wait,     test_resume,
	test_poison,	   test_survey,		test_resident, test_fill_short,
	test_storm,	   test_child,
};

static int run(const char *name, unsigned mode, const char *off)
{
	struct mm_params params = {
		.fault_mode = mode,
		.nr_slots = SLOTS,
		.features_off = off,
		.client = &client,
	};
	char buf[256];
	int ret;

	config = name;
	ret = mm_uffd_open(&params, &t.mm);
	if (ret == -ENOSYS || ret == -EPERM)
		return 77;
	CHECK(!ret);
	if (ret) {
		printf("%s: open: %s\n", name, strerror(-ret));
		return 1;
	}
	t.mm->ops->features(t.mm, buf, sizeof(buf));
	printf("%s: %s\n", name, buf);
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tests[i]();
	t.mm->ops->close(t.mm);
	return failures ? 1 : 0;
}

static const struct config {
	const char *name;
	unsigned mode;
	const char *off;
} configs[] = {
	{ "threads", UHMM_FAULTS_THREADS, NULL },
	{ "threads-no-move", UHMM_FAULTS_THREADS, "move" },
	{ "threads-no-scan", UHMM_FAULTS_THREADS, "scan" },
	{ "threads-6.1", UHMM_FAULTS_THREADS, "move,poison,scan,procmap" },
	{ "threads-user", UHMM_FAULTS_THREADS, "kernel-faults" },
	{ "inline", UHMM_FAULTS_INLINE, NULL },
	{ "inline-no-move", UHMM_FAULTS_INLINE, "move" },
	{ "inline-6.1", UHMM_FAULTS_INLINE, "move,poison,scan,procmap" },
};

static void test_open(void)
{
	struct mm_params params = {
		.client = &client,
		.nr_slots = 1,
		.features_off = "move,nonsense",
	};

	config = "open";
	CHECK(mm_uffd_open(&params, &t.mm) == -EINVAL);
	params.features_off = "";
	params.fault_mode = 9;
	CHECK(mm_uffd_open(&params, &t.mm) == -EINVAL);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_sigaction = bus_handler,
				 .sa_flags = SA_SIGINFO };
	int ret = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(120);
	sigaction(SIGBUS, &act, NULL);
	t.device = sys_alloc(AREA);
	test_open();
	/* Each in a process of its own, for its SIGBUS handler and slots. */
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		const struct config *c = &configs[i];
		int status;
		pid_t pid;

		if (argc > 1 && strcmp(argv[1], c->name))
			continue;
		pid = fork();
		if (pid == 0) {
			alarm(120);
			exit(run(c->name, c->mode, c->off));
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
			printf("%s: died: %d\n", c->name, status);
			return 1;
		}
		if (WEXITSTATUS(status) == 77)
			return 77;
		ret |= WEXITSTATUS(status);
	}
	for (unsigned mode = UHMM_FAULTS_THREADS; mode <= UHMM_FAULTS_INLINE;
	     mode++) {
		if (argc > 1 && strcmp(argv[1], "inject"))
			continue;
		ret |= inject(mode, "");
		ret |= inject(mode, "move,scan,procmap");
	}
	return ret || failures;
}
