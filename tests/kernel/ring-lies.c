// SPDX-License-Identifier: MIT
/*
 * ring-lies.c - a driver that lies harms nobody but its device.  Answers to
 * what was not asked are not believed; where the right one comes as well the
 * data are right.  A driver that writes anything anywhere in its area loses its
 * clients' pages at most, and no call hangs.
 *
 * UHMM_TEST_SEED replays a run.
 *
 * type: private
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES 64UL
#define ROUNDS 60

static uint64_t state;

static uint64_t draw(void)
{
	state += UINT64_C(0x9e3779b97f4a7c15);
	return (state ^ state >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 17;
}

/* One member is wrong. */
static void lie_once(struct driver *d, const struct uhmmk_command *c)
{
	struct uhmmk_command wrong = *c;
	int result = 0;

	switch (draw() % 6) {
	case 0:
		wrong.op = (uint16_t)(draw() % 5);
		wrong.generation++;
		break;
	case 1:
		wrong.tag = (uint16_t)draw();
		wrong.generation--;
		break;
	case 2:
		wrong.npages += 1 + (uint32_t)draw() % 100;
		break;
	case 3:
		wrong.generation += 1 + (uint32_t)draw() % 100;
		break;
	case 4:
		result = 1 + (int)(draw() % 100);
		break;
	default:
		result = -4096 - (int)(draw() % 100);
	}
	answer(d, &wrong, result);
}

/* Twice the right one: the second is a lie. */
static int lie(struct driver *d, const struct uhmmk_command *c)
{
	int result = keep(d, c);

	lie_once(d, c);
	answer(d, c, result);
	return draw() % 2 ? result : NO_ANSWER;
}

static void not_believed(int argc, char **argv)
{
	struct driver *d = start_driver(argc, argv, 4096, 256, 20000, lie);
	char *at = map_pages(NPAGES);

	for (unsigned int i = 0; i < 10; i++) {
		uint64_t stores = statistics().stores;

		fill(at, NPAGES, i);
		CHECK_EQ(out(at, NPAGES), NPAGES);
		if (i % 2)
			wait_stored(stores + NPAGES);
		CHECK(is_filled(at, NPAGES, i));
	}
	CHECK(statistics().lies > 10);
	CHECK_EQ(statistics().dead, 0);
	munmap(at, NPAGES * PAGE);
	kill_driver(d);
	close(device.fd);
}

/* Words of the area's beginning, and of its answers, become anything. */
static int scribble(struct driver *d, const struct uhmmk_command *c)
{
	struct uhmmk_queue whole = *d->queue;
	uint32_t *words = (void *)d->area;
	size_t n = (d->add.area - d->add.slots * PAGE) / 4;
	int result = draw() % 8 ? keep(d, c) : -(int)(draw() % 200);

	for (size_t i = 0; i < draw() % 64; i++)
		words[draw() % (draw() % 4 ? n : sizeof(whole) / 4)] =
			(uint32_t)(draw() % 3 ? draw() : draw() % 8);
	/* This driver itself needs these to go on. */
	d->queue->nr_commands = whole.nr_commands;
	d->queue->nr_answers = whole.nr_answers;
	d->queue->commands = whole.commands;
	d->queue->answers = whole.answers;
	if (draw() % 4) {
		d->queue->command_head = whole.command_head;
		d->queue->answer_tail = whole.answer_tail;
	}
	return draw() % 16 ? result : NO_ANSWER;
}

/* A command may be nonsense by now: its pages are then outside. */
static int scribble_safely(struct driver *d, const struct uhmmk_command *c)
{
	struct uhmmk_command sane = *c;

	sane.dpfn %= d->add.npages;
	sane.npages = 1;
	sane.data %= d->add.area - PAGE;
	sane.data -= sane.data % PAGE;
	if (sane.data < d->add.area - d->add.slots * PAGE)
		sane.op = UHMMK_FREE;
	return scribble(d, &sane);
}

/* The data may be wrong: this only has to end, and not to harm @mine. */
static void use_it(void)
{
	char *at = map_pages(NPAGES), *mine = map_pages(NPAGES);
	struct uhmmk_move move = { .size = sizeof(move),
				   .addr = (uintptr_t)at,
				   .npages = NPAGES };

	fill(mine, NPAGES, 7);
	for (int i = 0; i < 20; i++) {
		move.to = draw() % 3 ? device.id : UHMMK_RAM;
		call(device.fd, UHMMK_MOVE, &move);
		for (size_t k = 0; k < NPAGES; k++)
			if (draw() % 2 == 0 && can_touch(at + k * PAGE))
				memset(at + k * PAGE, 1, PAGE);
		if (draw() % 4 == 0)
			madvise(at, NPAGES * PAGE, MADV_DONTNEED);
	}
	CHECK(is_filled(mine, NPAGES, 7));
	munmap(mine, NPAGES * PAGE);
	munmap(at, NPAGES * PAGE);
}

static void survived(int argc, char **argv)
{
	struct driver *d =
		start_driver(argc, argv, 4096, 32, 100, scribble_safely);

	use_it();
	CHECK_EQ(statistics().used, 0);
	kill_driver(d);
	close(device.fd);
}

int main(int argc, char **argv)
{
	state = test_seed();
	not_believed(argc, argv);
	for (int i = 0; i < ROUNDS; i++) {
		draw();
		survived(argc, argv);
	}
	return 0;
}
