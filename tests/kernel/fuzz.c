// SPDX-License-Identifier: MIT
/*
 * fuzz.c - calls with arguments that are wrong, or random, never harm: an error
 * or a result, and memory keeps what was in it.
 *
 * UHMM_TEST_SEED replays a run.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"

#define NPAGES 64UL
#define ROUNDS 20000

static const unsigned long calls[] = { UHMMK_ADD,  UHMMK_ATTACH, UHMMK_MOVE,
				       UHMMK_LOOK, UHMMK_EVICT,	 UHMMK_STAT,
				       UHMMK_SERVE };
#define NR_CALLS (sizeof(calls) / sizeof(*calls))

static uint64_t state;

static uint64_t draw(void)
{
	state += UINT64_C(0x9e3779b97f4a7c15);
	return (state ^ state >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 17;
}

static char *memory;

/* Values that are handled wrong most often: edges, addresses of any kind. */
static uint64_t interesting(void)
{
	switch (draw() % 12) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - draw() % 2;
	case 2:
		return UINT64_C(1) << draw() % 64;
	case 3:
		return draw();
	case 4:
		return 0x40000000 + draw() % 4 * 0x8000000;
	case 5:
		return (UINT64_C(1) << 47) - draw() % 3 * PAGE;
	case 6:
	case 7:
		return draw() % 4;
	case 8:
		return NPAGES;
	default:
		return (uintptr_t)memory + draw() % (NPAGES + 4) * PAGE;
	}
}

static void fill_argument(uint64_t *words, size_t n)
{
	static const uint32_t sizes[] = { 0, 8, 16, 32, 48, 64, 72, 4096 };

	for (size_t i = 0; i < n; i++)
		words[i] = interesting() |
			   (draw() % 4 == 0) * (draw() % 3 << 32);
	if (draw() % 8)
		words[0] = sizes[draw() % 8] |
			   (draw() % 4 ? 0 : UINT64_C(1) << 32);
}

/* Results have a place of their own: they may not change @memory. */
static uint64_t results[512];

/* Half of them are right but for their range. */
static void shape_move(struct uhmmk_move *move)
{
	move->npages %= 1000;
	move->why = move->why % 4 ? (uintptr_t)results : 0;
	if (draw() % 2)
		*move = (struct uhmmk_move){
			.size = sizeof(*move),
			.addr = move->addr,
			.npages = move->npages % 80,
			.to = draw() % 2 ? device.id : UHMMK_RAM,
		};
}

static void shape_look(struct uhmmk_look *look)
{
	look->on = (uintptr_t)results;
	look->npages %= 1000;
	if (draw() % 2) {
		look->size = sizeof(*look);
		look->flags = 0;
	}
}

/* A ring that nobody serves for long is a dead one. */
static void shape_add(struct uhmmk_add *add)
{
	if (draw() % 2)
		*add = (struct uhmmk_add){
			.size = sizeof(*add),
			.flags = UHMMK_RING,
			.type = UHMMK_PRIVATE,
			.npages = draw() % 100000,
			.slots = draw() % 64,
			.timeout_ms = draw() % 4,
		};
}

static void shape_serve(struct uhmmk_serve *serve)
{
	serve->timeout_ms %= 3;
	if (draw() % 2)
		*serve = (struct uhmmk_serve){ .size = sizeof(*serve) };
}

static void shape(unsigned long cmd, void *argument)
{
	if (cmd == UHMMK_MOVE)
		shape_move(argument);
	else if (cmd == UHMMK_LOOK)
		shape_look(argument);
	else if (cmd == UHMMK_ADD)
		shape_add(argument);
	else if (cmd == UHMMK_SERVE)
		shape_serve(argument);
}

static void call_once(int fd)
{
	static uint64_t words[PAGE / 8];
	unsigned long cmd = calls[draw() % NR_CALLS];

	cmd = draw() % 64 ? cmd : cmd + draw() % 9;
	memset(words, 0, sizeof(words));
	fill_argument(words, 8);
	shape(cmd, words);
	if (cmd != UHMMK_LOSE) /* lose.c is about that */
		call(fd, cmd, words);
}

static void expect_whole(void)
{
	CHECK(is_filled(memory, NPAGES, 1));
}

static void wrong(void)
{
	struct uhmmk_move move = { .size = sizeof(move),
				   .addr = (uintptr_t)memory,
				   .npages = 1,
				   .to = device.id };
	struct {
		struct uhmmk_stat stat;
		uint64_t more;
	} longer = { .stat = { .size = sizeof(longer) } };
	int fd = open_file();

	CHECK_EQ(call(fd, UHMMK_MOVE, &move), ENXIO);
	close(fd);
	move.to = device.id + 1;
	CHECK_EQ(call(device.fd, UHMMK_MOVE, &move), EINVAL);
	move.to = device.id;
	move.addr += 1;
	CHECK_EQ(call(device.fd, UHMMK_MOVE, &move), EINVAL);
	move.addr = UINT64_MAX - PAGE + 1;
	CHECK_EQ(call(device.fd, UHMMK_MOVE, &move), EINVAL);
	move.addr = (uintptr_t)memory;
	move.npages = UINT64_MAX / PAGE;
	CHECK_EQ(call(device.fd, UHMMK_MOVE, &move), EINVAL);
	CHECK_EQ(call(device.fd, UHMMK_MOVE, NULL), EFAULT);
	CHECK_EQ(call(device.fd, UHMMK_SERVE + 1, &move), ENOTTY);
	CHECK_EQ(call(device.fd, UHMMK_STAT, &longer), 0);
	longer.more = 1;
	longer.stat.size = sizeof(longer);
	CHECK_EQ(call(device.fd, UHMMK_STAT, &longer), E2BIG);
}

/* Another file adds devices, which the next round may attach to. */
static void random_calls(void)
{
	int fd = open_file();

	for (int i = 0; i < ROUNDS; i++) {
		call_once(draw() % 2 ? device.fd : fd);
		if (draw() % 256 == 0) {
			close(fd);
			fd = open_file();
			expect_whole();
		}
	}
	close(fd);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	state = test_seed();
	memory = map_pages(NPAGES + 4);
	munmap(memory + NPAGES * PAGE, 4 * PAGE);
	fill(memory, NPAGES, 1);
	wrong();
	random_calls();
	expect_whole();
	return 0;
}
