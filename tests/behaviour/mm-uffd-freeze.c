/* SPDX-License-Identifier: MIT */
/* mm-uffd-freeze.c - pages leave, come back, or must stay. */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "mm-uffd.h"

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

/* stash() takes no page of a mapping that was replaced since freeze(). */
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

test_fn *const freeze_tests[] = {
	test_give_back, test_away_and_touch, test_holes,
	test_huge,	test_part_of_huge,   test_scattered,
	test_sweep,	test_stash,	     test_read_only,
	test_locked,	test_shared,	     test_pinned,
	NULL,
};
