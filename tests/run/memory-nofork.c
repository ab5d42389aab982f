// SPDX-License-Identifier: MIT
/*
 * Memory that a program keeps from its children, by MADV_DONTFORK: none of them
 * has it, not the second one either, and the program's data are right.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "memory.h"

#define LEN (4 * MIB)

/* No mapping is made here unless a call asks for the address. */
#define FAR  ((char *)(1ul << 44))
#define FAR2 (FAR + 64 * MIB)

/* A range, and the seed of what a child finds there: 0 if that is nothing. */
struct piece {
	char *at;
	size_t len;
	uint64_t seed;
	size_t from; /* of the pattern */
};

static void check_pieces(void *arg)
{
	for (const struct piece *p = arg; p->len; p++) {
		if (p->seed)
			verify_at(p->at, p->seed, p->from, p->from + p->len);
		for (size_t i = 0; !p->seed && i < p->len; i += PAGE) {
			CHECK(touch(p->at + i, false) == SIGSEGV);
			CHECK(msync(p->at + i, PAGE, MS_ASYNC) == -1);
			CHECK(errno == ENOMEM);
		}
	}
}

/* One child after another, and what is away meanwhile has its data. */
static void check_children(struct piece *pieces)
{
	for (int i = 0; i < 3; i++) {
		CHECK(in_child(check_pieces, pieces) == 0);
		if (i < 2)
			push();
	}
}

static char *far_away(char *at, size_t len, uint64_t seed)
{
	char *p = map_at(at, len, PROT_READ | PROT_WRITE, 0);

	fill(p, len, seed);
	return p;
}

/* Said before the program has too much. */
static void early(void)
{
	char *p = far_away(FAR, MIB, 20);
	struct piece pieces[] = { { p, PAGE, 20, 0 },
				  { p + PAGE, PAGE, 0, 0 },
				  { p + 2 * PAGE, 8 * PAGE, 20, 2 * PAGE },
				  { 0 } };

	CHECK(!madvise(p + PAGE, PAGE, MADV_DONTFORK));
	push();
	check_children(pieces);
	verify(p, MIB, 20);
	CHECK(!munmap(p, MIB));
}

static void pages(void)
{
	char *p = far_away(FAR, LEN, 21);
	struct piece pieces[] = { { p, MIB, 21, 0 },
				  { p + MIB, MIB, 0, 0 },
				  { p + 2 * MIB, 2 * MIB, 21, 2 * MIB },
				  { 0 } };

	CHECK(!madvise(p + MIB, MIB, MADV_DONTFORK));
	push();
	check_children(pieces);
	verify(p, LEN, 21);
	/* Half of it is not kept any more. */
	push();
	CHECK(!madvise(p + MIB, MIB / 2, MADV_DOFORK));
	pieces[0].len = MIB + MIB / 2;
	pieces[1] = (struct piece){ p + MIB + MIB / 2, MIB / 2, 0, 0 };
	check_children(pieces);
	verify(p, LEN, 21);
	CHECK(!munmap(p, LEN));
}

/* The advice goes with the mapping, and where another one is it is over. */
static void moved(void)
{
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *p = far_away(FAR, LEN, 22);
	struct piece pieces[] = { { p, MIB, 23, 0 },
				  { p + MIB, MIB, 24, 0 },
				  { p + 2 * MIB, 2 * MIB, 22, 2 * MIB },
				  { FAR2, 3 * MIB, 0, 0 },
				  { 0 } };

	CHECK(!madvise(p, 2 * MIB, MADV_DONTFORK));
	push();
	CHECK(mremap(p, 2 * MIB, 3 * MIB, fixed, FAR2) == FAR2);
	CHECK(syscall(SYS_mmap, p, MIB, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		      0) == (long)p); /* without a function that is watched */
	fill(p, MIB, 23);
	far_away(p + MIB, MIB, 24);
	push();
	check_children(pieces);
	verify(FAR2, 2 * MIB, 22);
	verify_zero(FAR2 + 2 * MIB, MIB);
	/* Shorter, with something else behind; half of it another's. */
	CHECK(mremap(FAR2, 3 * MIB, 2 * MIB, 0) == FAR2);
	far_away(FAR2 + 2 * MIB, MIB, 25);
	map_at(FAR2, MIB, PROT_READ | PROT_WRITE, MAP_FIXED);
	fill(FAR2, MIB, 26);
	push();
	pieces[0] = (struct piece){ FAR2, MIB, 26, 0 };
	pieces[1] = (struct piece){ FAR2 + 2 * MIB, MIB, 25, 0 };
	pieces[3] = (struct piece){ FAR2 + MIB, MIB, 0, 0 };
	check_children(pieces);
	verify_at(FAR2 + MIB, 22, MIB, 2 * MIB);
	CHECK(!munmap(p, LEN) && !munmap(FAR2, 3 * MIB));
}

static void left_behind(void)
{
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	char *p = far_away(FAR, MIB, 29);
	struct piece pieces[] = { { p, MIB, 0, 0 },
				  { FAR2, MIB, 0, 0 },
				  { 0 } };

	CHECK(!madvise(p, MIB, MADV_DONTFORK));
	push();
	CHECK(mremap(p, MIB, MIB, how, FAR2) == FAR2);
	check_children(pieces);
	verify_zero(p, MIB);
	verify(FAR2, MIB, 29);
	CHECK(!munmap(p, MIB) && !munmap(FAR2, MIB));
}

static bool is_there(char *p, size_t len)
{
	static unsigned char there[MIB / PAGE];

	CHECK(!mincore(p, len, there));
	for (size_t i = 0; i < len / PAGE; i++)
		if (!(there[i] & 1))
			return false;
	return true;
}

/*
 * A child maps other memory at the range that it did not get.  This memory is
 * managed, and the child's children have it.
 */
static void use_again(void *arg)
{
	struct piece pieces[] = { { FAR, MIB, 28, 0 }, { 0 } };
	bool limited = getenv("MEMORY_LIMITED");

	(void)arg;
	CHECK(touch(FAR, false) == SIGSEGV);
	far_away(FAR, MIB, 28);
	push();
	for (int i = 0; limited && i < 50 && is_there(FAR, MIB); i++)
		push();
	CHECK(is_there(FAR, MIB) == !limited);
	check_children(pieces);
	verify(FAR, MIB, 28);
}

static void generations(void)
{
	char *p = far_away(FAR, MIB, 27);

	CHECK(!madvise(p, MIB, MADV_DONTFORK));
	push();
	CHECK(in_child(use_again, NULL) == 0);
	CHECK(in_child(use_again, NULL) == 0);
	verify(p, MIB, 27);
	CHECK(!munmap(p, MIB));
}

/* ---- While others do the same ------------------------------------------- */

#define NR_THREADS 2
#define NR_FORKS   20

static atomic_bool stop;
static atomic_int nr_forked;
static struct piece kept[3];

static void *change_mind(void *arg)
{
	char *at = FAR2 + (uintptr_t)arg * 64 * MIB;
	char *to = at + 32 * MIB;

	while (!atomic_load(&stop)) {
		char *p = far_away(at, MIB, 30);

		CHECK(!madvise(p, MIB, MADV_DONTFORK));
		CHECK(!madvise(p, MIB, MADV_DOFORK));
		CHECK(!madvise(p, MIB, MADV_DONTFORK));
		CHECK(mremap(p, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
		      to);
		verify(to, MIB, 30);
		CHECK(!munmap(to, MIB));
	}
	return NULL;
}

static void fork_in_handler(int sig)
{
	(void)sig;
	CHECK(in_child(check_pieces, kept) == 0);
	atomic_fetch_add(&nr_forked, 1);
}

/* The handler comes at any moment, in the calls that are about this, too. */
static void storm(void)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction act = { .sa_handler = fork_in_handler,
				 .sa_flags = SA_RESTART };
	char *p = far_away(FAR, MIB, 31);
	pthread_t t[NR_THREADS];

	kept[0] = (struct piece){ p, MIB / 2, 31, 0 };
	kept[1] = (struct piece){ p + MIB / 2, MIB / 2, 0, 0 };
	CHECK(!madvise(p + MIB / 2, MIB / 2, MADV_DONTFORK));
	push();
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, change_mind, (void *)i));
	CHECK(!sigaction(SIGPROF, &act, NULL));
	CHECK(!setitimer(ITIMER_PROF, &often, NULL));
	while (atomic_load(&nr_forked) < NR_FORKS)
		CHECK(!madvise(p + MIB / 2, MIB / 2, MADV_DONTFORK));
	CHECK(!setitimer(ITIMER_PROF, &never, NULL));
	atomic_store(&stop, true);
	for (int i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(signal(SIGPROF, SIG_DFL) != SIG_ERR);
	verify(p, MIB, 31);
	CHECK(!munmap(p, MIB));
}

static const struct part parts[] = {
	{ "early", early },
	{ "pages", pages },
	{ "moved", moved },
	{ "left-behind", left_behind },
	{ "generations", generations },
	{ "storm", storm },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
