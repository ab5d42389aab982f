/* SPDX-License-Identifier: MIT */
/*
 * page.c - all transitions of a page, in one table.
 *
 * Each event goes through page_next().  A combination that is not in the table
 * is a bug of the library, and block.c reports it at once.  block.c writes all
 * words; a page that comes from another address brings its word along
 * (block_move_in()), and a flag changes no state (block_flag()).
 */
#include "core/page/page.h"

/* Shifted by one, so that an entry left out reads as "makes no sense". */
#define TO(state) ((state) + 1)

const uint8_t page_table[P_NR_STATES][E_NR_EVENTS] = {
	[P_RAM] = {
		[E_TAKE] = TO(P_LEAVING),
		[E_STASH] = TO(P_STASHING),
		[E_PARK] = TO(P_FROZEN),
		[E_HOLE] = TO(P_EMPTY),
		[E_HOME] = TO(P_RAM),
		[E_ZERO] = TO(P_RAM),
		[E_SHARE] = TO(P_CLEAN),
		[E_PLACE] = TO(P_COHERENT),
		[E_DISCARD] = TO(P_DROPPED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_EMPTY] = {
		[E_STASH] = TO(P_STASHING),
		[E_CLEAR] = TO(P_CLEARING),
		[E_HOLE] = TO(P_EMPTY),
		[E_HOME] = TO(P_RAM),
		[E_ZERO] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
	[P_DROPPED] = {
		[E_HOLE] = TO(P_EMPTY),
		[E_HOME] = TO(P_RAM),
		[E_ZERO] = TO(P_RAM),
		[E_DISCARD] = TO(P_DROPPED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_CLEAN] = {
		[E_STASH] = TO(P_STASHING),
		[E_ARRIVE] = TO(P_DEVICE),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_DROPPED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_DEVICE] = {
		[E_STASH] = TO(P_STASHING),
		[E_SHARE] = TO(P_CLEAN),
		[E_PARK] = TO(P_FROZEN),
		[E_FETCH] = TO(P_COMING),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_LOSE] = TO(P_POISONED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_COHERENT] = {
		[E_FETCH] = TO(P_COMING),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_DROPPED),
		[E_LOSE] = TO(P_POISONED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_COMING] = {
		[E_PARK] = TO(P_FROZEN),
		[E_PLACE] = TO(P_COHERENT),
		[E_SHARE] = TO(P_CLEAN),
		[E_ARRIVE] = TO(P_DEVICE),
		[E_STAY] = TO(P_DEVICE),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_LOSE] = TO(P_POISONED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_FROZEN] = {
		[E_TAKE] = TO(P_LEAVING),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
	[P_LEAVING] = {
		[E_EXCLUDE] = TO(P_EXCLUSIVE),
		[E_ARRIVE] = TO(P_DEVICE),
		[E_PARK] = TO(P_FROZEN),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
	[P_EXCLUSIVE] = {
		[E_REVOKE] = TO(P_REVOKING),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
	[P_REVOKING] = {
		[E_PARK] = TO(P_FROZEN),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
	[P_STASHING] = {
		[E_TAKE] = TO(P_LEAVING),
		[E_ARRIVE] = TO(P_DEVICE),
		[E_HOLE] = TO(P_EMPTY),
		[E_HOME] = TO(P_RAM),
		[E_DISCARD] = TO(P_STASHING),
		[E_LOSE] = TO(P_POISONED),
		[E_FORGET] = TO(P_RAM),
	},
	[P_CLEARING] = {
		[E_ARRIVE] = TO(P_DEVICE),
		[E_STAY] = TO(P_EMPTY),
		[E_HOME] = TO(P_RAM),
		[E_ZERO] = TO(P_RAM),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
	[P_POISONED] = {
		[E_LOSE] = TO(P_POISONED),
		[E_DISCARD] = TO(P_EMPTY),
		[E_FORGET] = TO(P_RAM),
	},
};

#define NAME(arg, state, name, properties) [P_##state] = name,
static const char *const state_names[P_NR_STATES] = { PAGE_STATES(NAME, ) };
#undef NAME

static const char *const event_names[E_NR_EVENTS] = {
	[E_TAKE] = "take",     [E_PARK] = "park",     [E_HOLE] = "hole",
	[E_CLEAR] = "clear",   [E_STASH] = "stash",   [E_ARRIVE] = "arrive",
	[E_FETCH] = "fetch",   [E_STAY] = "stay",     [E_HOME] = "home",
	[E_SHARE] = "share",   [E_ZERO] = "zero",     [E_DISCARD] = "discard",
	[E_LOSE] = "lose",     [E_FORGET] = "forget", [E_EXCLUDE] = "exclude",
	[E_REVOKE] = "revoke", [E_PLACE] = "place",
};

const char *page_state_name(enum page_state state)
{
	return state < P_NR_STATES ? state_names[state] : "?";
}

const char *page_event_name(enum page_event event)
{
	return event < E_NR_EVENTS ? event_names[event] : "?";
}
