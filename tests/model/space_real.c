// SPDX-License-Identifier: MIT
/*
 * space_real.c - the model's address space is the process's own.
 *
 * The arena lies at low addresses, where the kernel puts nothing by itself, so
 * that a hole stays one until it is filled: with a shared mapping, of which
 * uhmm can manage nothing.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "model.h"

#define ARENA ((uintptr_t)0x100000000000)
#define SIZE  ((size_t)8 * MM_BLOCK_SIZE)

static void *at(struct space *s, size_t page)
{
	(void)s;
	return (void *)(ARENA + page * PAGE);
}

/*
 * A mover that puts device memory in place of a page may come too late, and
 * takes its mapping away again.
 */
static void put_hole(size_t page, size_t n, int how)
{
	void *p = at(NULL, page), *got;

	do {
		got = mmap(p, n * PAGE, PROT_NONE,
			   MAP_SHARED | MAP_ANONYMOUS | how, -1, 0);
	} while (got == MAP_FAILED && errno == EEXIST);
	CHECK(got == p);
}

static void map(struct space *s, size_t page, size_t n)
{
	void *p = at(s, page);

	CHECK(mmap(p, n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
}

static void unmap(struct space *s, size_t page, size_t n)
{
	CHECK_EQ(munmap(at(s, page), n * PAGE), 0);
	put_hole(page, n, MAP_FIXED_NOREPLACE);
}

static void discard(struct space *s, size_t page, size_t n)
{
	CHECK_EQ(madvise(at(s, page), n * PAGE, MADV_DONTNEED), 0);
}

/* mremap(2) takes one mapping at a time: page by page is always that. */
static void remap(struct space *s, size_t from, size_t to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(mremap(at(s, from + i), PAGE, PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED,
			     at(s, to + i)) == at(s, to + i));
	put_hole(from, n, MAP_FIXED_NOREPLACE);
}

static void protect(struct space *s, size_t page, size_t n, bool readonly)
{
	CHECK_EQ(mprotect(at(s, page), n * PAGE,
			  readonly ? PROT_READ : PROT_READ | PROT_WRITE),
		 0);
}

/* ---- The CPU.  A lost page raises SIGBUS ---- */

static _Thread_local sigjmp_buf escape;
static _Thread_local volatile sig_atomic_t is_armed;
static struct sigaction before;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;

	(void)context;
	if (is_armed && addr >= ARENA && addr < ARENA + SIZE)
		siglongjmp(escape, 1);
	signal(sig, SIG_DFL);
}

static int copy(volatile char *dst, const volatile char *src, size_t len)
{
	if (sigsetjmp(escape, 1)) {
		is_armed = 0;
		return -EIO;
	}
	is_armed = 1;
	memcpy((char *)dst, (const char *)src, len);
	is_armed = 0;
	return 0;
}

static int cpu_read(struct space *s, size_t page, size_t off, void *buf,
		    size_t len)
{
	return copy(buf, (char *)at(s, page) + off, len);
}

static int cpu_write(struct space *s, size_t page, size_t off, const void *buf,
		     size_t len)
{
	return copy((char *)at(s, page) + off, buf, len);
}

static const unsigned char *peek(struct space *s, size_t page)
{
	const unsigned char *p = at(s, page);
	struct block *b = s->u ? block_find(s->u, (uintptr_t)p) : NULL;
	unsigned i = page % MM_BLOCK_PAGES;
	struct store *store;
	uint64_t w = 0;

	if (b) {
		block_lock(b);
		w = block_word(b, i);
		block_unlock(s->u, b);
	}
	switch (page_state(w)) {
	case P_DEVICE:
		store = device_get(s->u, page_dev(w))->priv;
		CHECK(store->full[page_dpfn(w)]);
		return store->data + page_dpfn(w) * PAGE;
	case P_FROZEN:
		return (unsigned char *)block_slot_va(s->u, b) + i * PAGE;
	default:
		return p;
	}
}

static bool is_poisoned(struct space *s, size_t page)
{
	struct block *b = s->u ? block_find(s->u, (uintptr_t)at(s, page)) :
				 NULL;
	bool known = false;
	char byte;

	if (s->u) /* what was done may not be known yet */
		s->u->mm->ops->sync(s->u->mm);
	if (b) {
		block_lock(b);
		known = page_state(block_word(b, page % MM_BLOCK_PAGES)) ==
			P_POISONED;
		block_unlock(s->u, b);
	}
	if (known)
		return true;
	if (peek(s, page) != at(s, page))
		return false;
	return cpu_read(s, page, 0, &byte, 1) == -EIO;
}

/* ---- Open and close ---- */

static void let_go(struct space *s)
{
	(void)s;
	CHECK_EQ(munmap((void *)ARENA, SIZE), 0);
	CHECK_EQ(sigaction(SIGBUS, &before, NULL), 0);
}

int space_open_real(struct space *s, const struct space_how *how)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .features_off = how->off,
				      .flags = how->flags,
				      .fault_mode = how->mode };
	struct sigaction act = { .sa_sigaction = on_sigbus,
				 .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct uhmm *u;
	int err;

	CHECK_EQ(sigaction(SIGBUS, &act, &before), 0);
	err = uhmm_open(&params, &u);
	if (err) {
		CHECK_EQ(sigaction(SIGBUS, &before, NULL), 0);
		return err;
	}
	uhmm_set_log(u, world_log, NULL);
	*s = (struct space){
		.u = u,
		.is_real = true,
		.is_inline = how->mode == UHMM_FAULTS_INLINE,
		.kind = { STORE_PLAIN, STORE_RICH, STORE_FAST, STORE_COHERENT },
		.room = { 300, 800, 2000, 900 },
		.one_in = how->fail,
		.is_lossy = how->lose,
		.is_unlimited = how->unlimited,
		.at = at,
		.map = map,
		.unmap = unmap,
		.discard = discard,
		.remap = remap,
		.map_over = map,     /* MAP_FIXED */
		.remap_onto = remap, /* MREMAP_FIXED */
		.protect = protect,
		.read = cpu_read,
		.write = cpu_write,
		.peek = peek,
		.is_poisoned = is_poisoned,
		.let_go = let_go,
	};
	put_hole(0, SIZE / PAGE, MAP_FIXED_NOREPLACE);
	return 0;
}
