// SPDX-License-Identifier: MIT
/* run.c - the model on one thread and on two, see model.h */
#include <pthread.h>
#include <unistd.h>

#include "model.h"

#define NPAGES (5 * MM_BLOCK_PAGES + 100)

#ifdef __SANITIZE_THREAD__
enum {
	STEPS = 100, /* one thread cannot race with itself */
	STEPS_OF_TWO = 120
};
#else
enum {
	STEPS = 500,
	STEPS_OF_TWO = 200
};
#endif

static void add_devices(struct space *s)
{
	for (unsigned i = 0; i < NR_TELLING && s->is_unlimited; i++)
		s->kind[i] = STORE_TELLS;
	if (!s->is_unlimited)
		s->kind[0] = STORE_SLOW;
	for (unsigned i = 0; i < NR_DEVICES; i++)
		space_add_device(s, i);
}

int space_close(struct space *s)
{
	int err = uhmm_close(s->u);

	CHECK(!err || (err == -EIO && s->one_in));
	for (unsigned i = 0; i < NR_DEVICES; i++)
		if (s->dev[i])
			CHECK(atomic_load(&s->store[i].is_released));
	s->u = NULL;
	return err;
}

static void run_alone(space_open_fn *open, const struct space_how *how)
{
	uint64_t steps = test_is_soak() ? 20000 : STEPS;
	struct space s;
	struct model m;
	struct world w;

	CHECK_EQ(open(&s, how), 0);
	add_devices(&s);
	w = (struct world){ .u = s.u, .mm = s.u->mm, .is_real = s.is_real };
	model_init(&m, &s, 0, NPAGES, how->seed, true);
	while (m.steps < steps) {
		model_step(&m);
		if (m.steps % 16 == 0)
			world_check(&w);
	}
	model_check(&m);
	world_check(&w);
	space_close(&s);
	model_check_closed(&m);
	s.let_go(&s);
	model_fini(&m);
}

static void *thread_main(void *arg)
{
	struct model *m = arg;
	uint64_t steps = test_is_soak() ? 20000 : STEPS_OF_TWO;

	while (m->steps < steps)
		model_step(m);
	return NULL;
}

struct mover {
	struct space *s;
	uint64_t seed;
};

/* Moves pages of both, about once for each of their steps. */
static void *mover_main(void *arg)
{
	struct mover *v = arg;

	for (unsigned k = 0; k < 40000; k++) {
		struct uhmm_device *dev = v->s->dev[test_below(&v->seed, 4)];
		size_t i = test_below(&v->seed, NPAGES);
		size_t n = 1 + test_below(&v->seed, 40);

		if (n > NPAGES - i)
			n = NPAGES - i;
		uhmm_migrate(v->s->u, v->s->at(v->s, i), n * PAGE,
			     test_below(&v->seed, 2) ? dev : NULL);
	}
	return NULL;
}

/* The border between the two lies within a block. */
static void run_two(space_open_fn *open, const struct space_how *how)
{
	struct space s;
	struct model m[2];
	struct mover v = { .s = &s, .seed = how->seed };
	pthread_t t[2], mover;

	CHECK_EQ(open(&s, how), 0);
	add_devices(&s);
	model_init(&m[0], &s, 0, NPAGES / 2, how->seed, false);
	model_init(&m[1], &s, NPAGES / 2, NPAGES - NPAGES / 2, how->seed + 1,
		   false);
	if (!how->unlimited)
		CHECK_EQ(uhmm_set_ram_limit(s.u, NPAGES / 3 * PAGE), 0);
	if (test_is_soak())
		CHECK_EQ(pthread_create(&mover, NULL, mover_main, &v), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread_main, &m[i]), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	if (test_is_soak())
		CHECK_EQ(pthread_join(mover, NULL), 0);
	CHECK_EQ(uhmm_set_ram_limit(s.u, 0), 0);
	space_close(&s);
	for (int i = 0; i < 2; i++) {
		model_check_closed(&m[i]);
		model_fini(&m[i]);
	}
	s.let_go(&s);
}

int model_main(int argc, char **argv, space_open_fn *open,
	       const struct space_how *how, unsigned nr)
{
	uint64_t seed = test_seed(), rounds = test_is_soak() ? 20 : 1;
	unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	unsigned last = argc > 1 ? first + 1 : nr;
	int threads = argc > 2 ? atoi(argv[2]) : 0;

	fprintf(stderr, "seed %ju\n", (uintmax_t)seed);
	for (uint64_t k = 0; k < rounds; k++)
		for (unsigned i = first; i < last && i < nr; i++) {
			struct space_how h = how[i];

			h.seed = seed + k;
			alarm(test_is_soak() ? 3600 : 110); /* hangs are bugs */
			if (threads != 2)
				run_alone(open, &h);
			if (threads != 1)
				run_two(open, &h);
		}
	return 0;
}
