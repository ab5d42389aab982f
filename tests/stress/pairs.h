/* SPDX-License-Identifier: MIT */
/*
 * pairs.h - the memory that two calls race about, and what each may answer.
 *
 * Runs of RUN pages are in turn the first thread's, the second one's and the
 * toucher's.  The calls are made on any of them.  Only its owner changes what
 * is in a run, so the owner knows what has to be read there.
 */
#ifndef UHMM_TEST_PAIRS_H
#define UHMM_TEST_PAIRS_H

#include "../mirror.h"

#include <uhmm/advise.h>
#include <uhmm/alloc.h>
#include <uhmm/budget.h>
#include <uhmm/charge.h>
#include <uhmm/object.h>

#define NPAGES	 48
#define RUN	 4
#define NTHREADS 2
#define NSHARED	 (6 * RUN) /* pages of an object */
#define NVIEWS	 2
#define TOUCHER	 2
#define NONE	 4096 /* no errno */
/* mremap(2) unmaps first what it maps over, and other threads see that. */
#define HOLE (pair_flags & CHANGES ? ENOMEM : NONE)

/*
 * One context, for all pairs of a call with those behind it.
 * @victim: a device that may lose its pages
 * @fixed: one that has the memory of @fd
 * @tag: what each page is filled from
 * @added: how often the toucher added to the last word of its page
 * @started, @completed: background moves
 * @object: shared memory, or NULL; @shared: the word in each page of it
 * @budget_path: of a budget, that @u has part in if @budget is not NULL
 */
struct world {
	struct uhmm *u;
	struct uhmm_device *dev, *victim, *fixed;
	struct uhmm_group *group;
	struct test_table table;
	int fd;
	char *area;
	uint64_t tag[NPAGES], added[NPAGES];
	_Atomic unsigned started, completed;
	struct uhmm_object *object;
	char *view[NVIEWS];
	uint64_t shared[NSHARED];
	char budget_path[64];
	struct uhmm_budget *budget;
	bool forks;	/* UHMM_OPEN_FORK */
	bool is_placed; /* the CPU maps @dev's memory in place */
};

/* One thread that makes a call. */
struct caller {
	unsigned nr;
	uint64_t seed;
};

/* Effects that a call may have beside its own contract. */
enum call_flags {
	LOSES = 1,
	CHANGES = 2,
};

struct call {
	const char *name;
	void (*run)(struct caller *c);
	unsigned flags;
};

extern struct world world;
extern const struct call calls[];
extern const size_t nr_calls;

/* The flags of both calls of the pair that runs. */
extern unsigned pair_flags;

static inline char *at(size_t i)
{
	return world.area + i * PAGE;
}

static inline unsigned owner_of(size_t i)
{
	return (unsigned)(i / RUN % 3);
}

void print_pair(void);
bool may_be_forgotten(void);

/* False where the page is lost. */
bool get_word(const void *p, uint64_t *ret_word);
bool put_word(void *p, uint64_t word);
bool add_word(void *p);
void fill_page(size_t i, uint64_t tag);
void verify_page(size_t i);

void take_completions(void);

static inline size_t caller_below(struct caller *c, size_t n)
{
	return test_below(&c->seed, n);
}

/* calls_kernel.c */
void kernel_map_over(struct caller *c);
void kernel_discard(struct caller *c);
void kernel_remap(struct caller *c);
void kernel_protect(struct caller *c);
void kernel_fork(struct caller *c);

/* calls_object.c.  @no_fork: memory is made that no child must have. */
extern pthread_mutex_t no_fork;
void open_shared(void);
void close_shared(void);
void touch_shared(size_t i, uint64_t word);
void call_object_move(struct caller *c);
void call_object_discard(struct caller *c);
void call_object_view(struct caller *c);
void call_object_own(struct caller *c);
void call_object_adopt(struct caller *c);
void call_budget(struct caller *c);
void call_look(struct caller *c);

/* @ret is good, or one of those, which end with 0. */
long expect(const char *call, long ret, const int *errors);
#define EXPECT(call, ret, ...) expect(call, ret, (const int[]){ __VA_ARGS__ })

#endif
