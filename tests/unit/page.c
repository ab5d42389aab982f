// SPDX-License-Identifier: MIT
/*
 * Every state meets every event as this list says, written independently of
 * the table; and no way through the table loses the only copy of a page.
 */
#include <stdio.h>

#include "core/page/page.h"
#include "test.h"

/* state, then what each event makes of it: one letter a state, . for never */
static const char letters[] = "REDC>@-flxvscP";

/*                              T P o C S A X V P F S H s 0 D L G
 *                              a a l l t r c o l e t o h z i o o */
static const struct {
	enum page_state from;
	const char *to;
} expected[P_NR_STATES] = {
	{ P_RAM, /*          */ "l f E . s . . . @ . . R C R D . R" },
	{ P_EMPTY, /*        */ ". . E c s . . . . . . R . R E . R" },
	{ P_DROPPED, /*      */ ". . E . . . . . . . . R . R D . R" },
	{ P_CLEAN, /*        */ ". . . . s > . . . . . R . . D . R" },
	{ P_DEVICE, /*       */ ". f . . s . . . . - . R C . E P R" },
	{ P_COHERENT, /*     */ ". . . . . . . . . - . R . . D P R" },
	{ P_COMING, /*       */ ". f . . . > . . @ . > R C . E P R" },
	{ P_FROZEN, /*       */ "l . . . . . . . . . . R . . E . R" },
	{ P_LEAVING, /*      */ ". f . . . > x . . . . R . . E . R" },
	{ P_EXCLUSIVE, /*    */ ". . . . . . . v . . . . . . E . R" },
	{ P_REVOKING, /*     */ ". f . . . . . . . . . R . . E . R" },
	{ P_STASHING, /*     */ "l . E . . > . . . . . R . . s P R" },
	{ P_CLEARING, /*     */ ". . . . . > . . . . E R . R E . R" },
	{ P_POISONED, /*     */ ". . . . . . . . . . . . . . E P R" },
};

static enum page_state state_of(char letter)
{
	for (int s = 0; s < P_NR_STATES; s++)
		if (letters[s] == letter)
			return (enum page_state)s;
	return P_NR_STATES;
}

static void test_table(void)
{
	for (unsigned i = 0; i < P_NR_STATES; i++) {
		enum page_state s = expected[i].from;

		for (unsigned e = 0; e < E_NR_EVENTS; e++) {
			char want = expected[i].to[2 * e];
			int to = page_next(s, (enum page_event)e);

			if (to != (want == '.' ? -1 : (int)state_of(want)))
				fprintf(stderr, "%s: %s\n", page_state_name(s),
					page_event_name((enum page_event)e));
			CHECK_EQ(to, want == '.' ? -1 : (int)state_of(want));
		}
	}
}

/* Where the data of a page in this state are. */
enum where {
	NOWHERE = 1, /* zeroes */
	ADDRESS = 2,
	FRAME = 4,
	DEVICE = 8,
};

static unsigned where(enum page_state s)
{
	switch (s) {
	case P_RAM:
		return ADDRESS | NOWHERE;
	case P_EMPTY:
	case P_DROPPED:
	case P_CLEARING:
	case P_POISONED:
		return NOWHERE;
	case P_CLEAN:
		return DEVICE | ADDRESS;
	case P_DEVICE:
	case P_COMING:
		return DEVICE;
	case P_COHERENT: /* which is its address */
		return DEVICE | ADDRESS;
	case P_FROZEN:
	case P_LEAVING:
	case P_EXCLUSIVE:
	case P_REVOKING:
		return FRAME;
	default: /* plain before, clean, nothing, or away */
		return FRAME | ADDRESS | DEVICE;
	}
}

/* Events that carry the data to another place, or end them. */
static bool may_change(enum page_event e)
{
	return e == E_TAKE || e == E_PARK || e == E_ARRIVE || e == E_HOME ||
	       e == E_DISCARD || e == E_LOSE || e == E_FORGET || e == E_ZERO ||
	       e == E_CLEAR;
}

static void test_no_loss(void)
{
	for (int s = 0; s < P_NR_STATES; s++)
		for (int e = 0; e < E_NR_EVENTS; e++) {
			int to = page_next((enum page_state)s,
					   (enum page_event)e);

			if (to < 0 || may_change((enum page_event)e))
				continue;
			if (s == P_STASHING && e == E_HOLE)
				continue; /* discarded meanwhile */
			if (s == P_EMPTY && e == E_STASH)
				continue; /* nothing to lose */
			/* the data stay somewhere that the next state knows */
			CHECK(where((enum page_state)s) &
			      where((enum page_state)to));
		}
	/* zeroes never take the place of data that are away or frozen */
	for (int s = 0; s < P_NR_STATES; s++)
		if (!(where((enum page_state)s) & NOWHERE))
			CHECK_EQ(page_next((enum page_state)s, E_ZERO), -1);
	/* the application's word is final, whatever goes on */
	for (int s = 0; s < P_NR_STATES; s++) {
		CHECK(page_next((enum page_state)s, E_DISCARD) >= 0);
		CHECK_EQ(page_next((enum page_state)s, E_FORGET), P_RAM);
	}
}

/* A page's data are in one place, and what follows from that holds. */
static void test_properties(void)
{
	const unsigned framed = PAGE_MASK(PAGE_IN_FRAME);
	const unsigned away = PAGE_MASK(PAGE_ON_DEVICE);

	CHECK_EQ(framed, 1u << P_FROZEN | 1u << P_LEAVING | 1u << P_EXCLUSIVE |
				 1u << P_REVOKING);
	CHECK_EQ(away, 1u << P_DEVICE | 1u << P_COMING | 1u << P_COHERENT);
	CHECK_EQ(framed & away, 0);
	CHECK_EQ(framed & ~PAGE_MASK(PAGE_USES_FRAME), 0);
	CHECK_EQ(framed & ~PAGE_MASK(PAGE_HOLDS_RAM), 0);
	CHECK_EQ(framed & ~PAGE_MASK(PAGE_LOST_IN_CHILD), 0);
	CHECK_EQ(away & (PAGE_MASK(PAGE_HOLDS_RAM) | 1u << P_RAM), 0);
	CHECK_EQ(PAGE_MASK(PAGE_HOLDS_RAM) & PAGE_MASK(PAGE_MAY_HOLD_RAM), 0);
	CHECK_EQ(PAGE_MASK(PAGE_TAKES_RAM) & PAGE_MASK(PAGE_WAITS), 0);
	CHECK_EQ(PAGE_MASK(PAGE_READABLE) & PAGE_MASK(PAGE_LOST_IN_CHILD), 0);
	CHECK(page_has(P_RAM | PAGE_PIN_ONE, PAGE_PINNABLE));
	CHECK(!page_has(P_DEVICE, PAGE_PINNABLE));
}

static void test_words(void)
{
	uint64_t w = page_on_device(P_DEVICE, 255, (UINT64_C(1) << 48) - 1);

	CHECK_EQ(page_state(w), P_DEVICE);
	CHECK_EQ(page_dev(w), 255);
	CHECK_EQ(page_dpfn(w), (UINT64_C(1) << 48) - 1);
	CHECK_EQ(page_pins(w), 0);
	CHECK(!page_in_ram(w));
	w = P_RAM | PAGE_CHARGED | PAGE_PIN_MAX << PAGE_PIN_SHIFT;
	CHECK_EQ(page_pins(w), 65535);
	CHECK(page_in_ram(w));
	CHECK(!page_in_ram(P_RAM | PAGE_PIN_ONE));
	CHECK(page_in_ram(P_FROZEN));
	CHECK(page_in_ram(P_STASHING | PAGE_CHARGED));
	CHECK(!page_in_ram(P_STASHING));
	CHECK_STR(page_state_name(P_STASHING), "stashing");
	CHECK_STR(page_event_name(E_FORGET), "forget");
	CHECK_STR(page_state_name(P_NR_STATES), "?");
	CHECK_STR(page_event_name(E_NR_EVENTS), "?");
	for (int s = 0; s < P_NR_STATES; s++)
		CHECK(page_state_name((enum page_state)s) != NULL);
	for (int e = 0; e < E_NR_EVENTS; e++)
		CHECK(page_event_name((enum page_event)e) != NULL);
}

int main(void)
{
	test_table();
	test_no_loss();
	test_properties();
	test_words();
	return 0;
}
