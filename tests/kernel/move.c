// SPDX-License-Identifier: MIT
/*
 * move.c - pages go out with their data and come home: by a touch where the
 * device is private, by a call, all at once.  Holes go as zeroes.
 */
#include <sys/mman.h>

#include "kernel.h"

#define NPAGES 300UL
#define HOLES  8UL

/* A touch brings pages of a private device home, and no others. */
static void expect_touched(char *at, size_t npages)
{
	size_t away = device.type == UHMMK_PRIVATE ? 0 : npages;

	CHECK_EQ(count_away(at, npages), away);
}

static void rounds(char *at)
{
	for (unsigned int i = 0; i < 4; i++) {
		all_out(at, NPAGES + HOLES);
		CHECK(is_filled(at, NPAGES, i));
		CHECK_EQ(at[NPAGES * PAGE], 0);
		CHECK_EQ(at[(NPAGES + HOLES) * PAGE - 1], 0);
		expect_touched(at, NPAGES);
		home(at, NPAGES + HOLES);
		CHECK_EQ(count_away(at, NPAGES + HOLES), 0);
		fill(at, NPAGES, i + 1);
	}
}

static void reasons(char *at)
{
	uint8_t why[NPAGES];

	all_out(at, 2);
	CHECK_EQ(move_pages_to(device.id, at, 3, why), 1);
	CHECK(why[0] == UHMMK_STAYS && why[2] == UHMMK_MOVED);
	CHECK_EQ(move_pages_to(UHMMK_RAM, at, NPAGES, why), 3);
	CHECK(why[2] == UHMMK_MOVED && why[3] == UHMMK_STAYS);
}

static void evict_all(char *at)
{
	struct uhmmk_evict evict = { .size = sizeof(evict) };

	fill(at, NPAGES, 7);
	all_out(at, NPAGES);
	CHECK_EQ(statistics().used, NPAGES);
	CHECK_EQ(call(device.fd, UHMMK_EVICT, &evict), 0);
	CHECK_EQ(evict.left, 0);
	CHECK(count_away(at, NPAGES) == 0 && statistics().used == 0);
	CHECK(is_filled(at, NPAGES, 7));
}

int main(int argc, char **argv)
{
	char *at;

	start(argc, argv);
	at = map_pages(NPAGES + HOLES);
	fill(at, NPAGES, 0);
	rounds(at);
	reasons(at);
	evict_all(at);
	all_out(at, NPAGES);
	munmap(at, (NPAGES + HOLES) * PAGE);
	CHECK_EQ(statistics().used, 0);
	return 0;
}
