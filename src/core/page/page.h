/* SPDX-License-Identifier: MIT */
/*
 * page.h - the state of one page, a 64-bit word.
 *
 * Bits 0-3 are the state.  A page on a device carries the device's number in
 * bits 8-15 and its dpfn in bits 16-60; a page of RAM carries its pins in bits
 * 16-31.  A zero word is a page of RAM that is not counted.
 *
 *	                E_TAKE                    E_ARRIVE
 *	   +--------- P_RAM ---------> P_LEAVING ----------> P_DEVICE
 *	   |  E_PARK  ^ ^ ^  E_HOME        |  ^               |   ^ E_STAY
 *	   v          | | +----------------+  | E_TAKE E_FETCH|   |
 *	P_FROZEN -----+ | ----- E_TAKE -------+               v   |
 *	                +------------- E_HOME ------------ P_COMING
 *
 * P_COHERENT is P_DEVICE with the device's memory mapped at the page's address.
 * E_PLACE leads there, from P_COMING, or from P_RAM where the kernel moves the
 * page (at a site); E_FETCH leads back.  The table in page.c has every state
 * and event.
 */
#ifndef UHMM_PAGE_PAGE_H
#define UHMM_PAGE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The properties of a state; page_has() asks for one.
 *
 * @PAGE_PINNABLE: the word has the page's pins; the page is in RAM or may be
 * @PAGE_IN_FRAME: the data are in the page's frame, and nowhere else
 * @PAGE_USES_FRAME: the page's frame is in use, or may be in a moment
 * @PAGE_HOLDS_RAM: the page counts as RAM; see also PAGE_MAY_HOLD_RAM
 * @PAGE_MAY_HOLD_RAM: the page counts as RAM if it is PAGE_CHARGED
 * @PAGE_ON_DEVICE: the data are on a device, and nowhere else
 * @PAGE_OWNS_DPFN: the page has a device page that no thread is working on
 * @PAGE_TAKES_RAM: answering a touch takes another page of RAM
 * @PAGE_WAITS: a touch waits for the thread that is working on the page
 * @PAGE_READABLE: the kernel can read the page at its address, if one is there
 * @PAGE_LOST_IN_CHILD: a forked child would not find the data
 * @PAGE_PLAIN: the data are at the page's address, or there are none
 * @PAGE_MOVING: a thread is working on the page
 * @PAGE_NAMES_DPFN: the word says which device page the page has
 */
enum page_property {
	PAGE_PINNABLE = 1u << 0,
	PAGE_IN_FRAME = 1u << 1,
	PAGE_USES_FRAME = 1u << 2,
	PAGE_HOLDS_RAM = 1u << 3,
	PAGE_MAY_HOLD_RAM = 1u << 4,
	PAGE_ON_DEVICE = 1u << 5,
	PAGE_OWNS_DPFN = 1u << 6,
	PAGE_TAKES_RAM = 1u << 7,
	PAGE_WAITS = 1u << 8,
	PAGE_READABLE = 1u << 9,
	PAGE_LOST_IN_CHILD = 1u << 10,
	PAGE_PLAIN = 1u << 11,
	PAGE_MOVING = 1u << 12,
	PAGE_NAMES_DPFN = 1u << 13,
};

#define PAGE_FRAMED \
	(PAGE_IN_FRAME | PAGE_USES_FRAME | PAGE_HOLDS_RAM | PAGE_LOST_IN_CHILD)

/*
 * PAGE_STATES() expands S(arg, state, name, properties) for each state:
 *
 * RAM		at its address, or not touched yet: the kernel knows
 * EMPTY	known to be a hole
 * DROPPED	discarded by the application, perhaps not yet gone: dropped.c
 * CLEAN	in RAM, write-protected, and on a device still
 * DEVICE	on a device
 * COHERENT	on a device, and the CPU uses it there
 * COMING	on a device, being copied home
 * FROZEN	in a frame, at rest
 * LEAVING	in a frame, being copied to a device
 * EXCLUSIVE	in a frame, for one device: exclusive.c
 * REVOKING	in a frame, while that one device is told to let go
 * STASHING	at its address or in a frame: its mapping is moving
 * CLEARING	a hole, for which a device page is being zeroed
 * POISONED	lost; a touch is SIGBUS
 */
#define PAGE_STATES(S, arg)                                                    \
	S(arg, RAM, "ram",                                                     \
	  PAGE_PINNABLE | PAGE_MAY_HOLD_RAM | PAGE_TAKES_RAM | PAGE_READABLE | \
		  PAGE_PLAIN)                                                  \
	S(arg, EMPTY, "empty", PAGE_TAKES_RAM | PAGE_READABLE | PAGE_PLAIN)    \
	S(arg, DROPPED, "dropped",                                             \
	  PAGE_PINNABLE | PAGE_TAKES_RAM | PAGE_READABLE | PAGE_PLAIN)         \
	S(arg, CLEAN, "clean",                                                 \
	  PAGE_HOLDS_RAM | PAGE_OWNS_DPFN | PAGE_NAMES_DPFN)                   \
	S(arg, DEVICE, "device",                                               \
	  PAGE_ON_DEVICE | PAGE_OWNS_DPFN | PAGE_TAKES_RAM |                   \
		  PAGE_LOST_IN_CHILD | PAGE_NAMES_DPFN)                        \
	S(arg, COHERENT, "coherent",                                           \
	  PAGE_ON_DEVICE | PAGE_OWNS_DPFN | PAGE_READABLE | PAGE_NAMES_DPFN)   \
	S(arg, COMING, "coming",                                               \
	  PAGE_ON_DEVICE | PAGE_WAITS | PAGE_LOST_IN_CHILD | PAGE_MOVING |     \
		  PAGE_NAMES_DPFN)                                             \
	S(arg, FROZEN, "frozen", PAGE_FRAMED)                                  \
	S(arg, LEAVING, "leaving", PAGE_FRAMED | PAGE_MOVING)                  \
	S(arg, EXCLUSIVE, "exclusive", PAGE_FRAMED)                            \
	S(arg, REVOKING, "revoking", PAGE_FRAMED | PAGE_WAITS | PAGE_MOVING)   \
	S(arg, STASHING, "stashing",                                           \
	  PAGE_USES_FRAME | PAGE_MAY_HOLD_RAM | PAGE_WAITS |                   \
		  PAGE_LOST_IN_CHILD | PAGE_MOVING)                            \
	S(arg, CLEARING, "clearing", PAGE_TAKES_RAM | PAGE_MOVING)             \
	S(arg, POISONED, "poisoned", PAGE_LOST_IN_CHILD)

enum page_state {
#define PAGE_STATE_OF(arg, state, name, properties) P_##state,
	PAGE_STATES(PAGE_STATE_OF, )
#undef PAGE_STATE_OF
	P_NR_STATES,
};

/* The states that have @property, as a constant mask. */
#define PAGE_MASK_BIT(property, state, name, properties) \
	| ((properties) & (property) ? 1u << P_##state : 0u)
#define PAGE_MASK(property) (0u PAGE_STATES(PAGE_MASK_BIT, property))

enum page_event {
	E_TAKE,	   /* frozen into a frame for a move */
	E_PARK,	   /* frozen into a frame, to see if it is touched */
	E_HOLE,	   /* freezing found nothing */
	E_CLEAR,   /* a device page is being zeroed for a hole */
	E_STASH,   /* its mapping begins to move into a frame */
	E_ARRIVE,  /* its data are on the device */
	E_EXCLUDE, /* its frame is for one device alone */
	E_REVOKE,  /* that device is told to let go of it */
	E_PLACE,   /* device memory is mapped at its address */
	E_FETCH,   /* its copy home begins */
	E_STAY,	   /* the copy home failed, or must be repeated */
	E_HOME,	   /* mapped for the CPU, with its data */
	E_SHARE,   /* mapped read-only: the device page is good */
	E_ZERO,	   /* mapped for the CPU, as zeroes */
	E_DISCARD, /* the application dropped it */
	E_LOSE,	   /* its data are lost */
	E_FORGET,  /* its address is not managed any more */
	E_NR_EVENTS,
};

#define PAGE_STATE_MASK UINT64_C(0xf)
#define PAGE_CHARGED	(UINT64_C(1) << 4)  /* P_RAM: counted as resident */
#define PAGE_DROP	(UINT64_C(1) << 5)  /* discarded: its mover acts */
#define PAGE_AWAY	(UINT64_C(1) << 6)  /* P_STASHING: was P_DEVICE */
#define PAGE_SWAPPING	(UINT64_C(1) << 7)  /* see coherent.c */
#define PAGE_GONE	(UINT64_C(1) << 61) /* P_STASHING: unmapped */
#define PAGE_NEW	(UINT64_C(1) << 62) /* P_STASHING: RAM came since */
/* P_RAM, of a file: protected, and written back as it is; see core/file */
#define PAGE_SYNCING PAGE_SWAPPING
/* P_RAM, P_STASHING: the page, or with PAGE_NEW that one, may be protected. */
#define PAGE_MARKED	(UINT64_C(1) << 63)
#define PAGE_ORPHAN	(UINT64_C(1) << 4) /* P_POISONED: see coherent.c */
#define PAGE_DEV_SHIFT	8
#define PAGE_DPFN_SHIFT 16
#define DPFN_BITS	45 /* as in a uhmm_pfn_t */
#define PAGE_PIN_SHIFT	16
#define PAGE_PIN_ONE	(UINT64_C(1) << PAGE_PIN_SHIFT)
#define PAGE_PIN_MAX	UINT64_C(0xffff)

static inline enum page_state page_state(uint64_t w)
{
	return (enum page_state)(w & PAGE_STATE_MASK);
}

static inline unsigned page_dev(uint64_t w)
{
	return (unsigned)(w >> PAGE_DEV_SHIFT) & 0xff;
}

static inline uint64_t page_dpfn(uint64_t w)
{
	return w >> PAGE_DPFN_SHIFT;
}

static inline uint64_t page_on_device(enum page_state state, unsigned dev,
				      uint64_t dpfn)
{
	return (uint64_t)state | (uint64_t)dev << PAGE_DEV_SHIFT |
	       dpfn << PAGE_DPFN_SHIFT;
}

static inline bool page_has(uint64_t w, enum page_property property)
{
	return PAGE_MASK(property) >> page_state(w) & 1;
}

static inline uint64_t page_pins(uint64_t w)
{
	return page_has(w, PAGE_PINNABLE) ? w >> PAGE_PIN_SHIFT & PAGE_PIN_MAX :
					    0;
}

/* Does the page count as RAM? */
static inline bool page_in_ram(uint64_t w)
{
	unsigned may = w & PAGE_CHARGED ? PAGE_MASK(PAGE_MAY_HOLD_RAM) : 0;

	return (PAGE_MASK(PAGE_HOLDS_RAM) | may) >> page_state(w) & 1;
}

/* P_STASHING: did a page come that may be write-protected? */
static inline bool page_came_marked(uint64_t w)
{
	const uint64_t both = PAGE_NEW | PAGE_MARKED;

	return (w & both) == both;
}

/* Is the page on a device, and nowhere else? */
static inline bool page_is_away(uint64_t w)
{
	return page_has(w, PAGE_ON_DEVICE) | !!(w & PAGE_AWAY);
}

/* Never moved, as far as the word tells: in RAM, or a hole. */
static inline bool page_is_unmoved(uint64_t w)
{
	return page_state(w) == P_RAM || page_state(w) == P_EMPTY;
}

/*
 * Is the page home, or lost for good?  A lost page is not settled before its
 * mapping is gone, see coherent.c.
 */
static inline bool page_is_settled(uint64_t w)
{
	return page_has(w, PAGE_PLAIN) ||
	       (page_state(w) == P_POISONED && !(w & PAGE_SWAPPING));
}

/* A page in RAM that counts, and that may go. */
static inline bool page_is_demotable(uint64_t w)
{
	return page_state(w) == P_RAM && w & PAGE_CHARGED && !page_pins(w);
}

extern const uint8_t page_table[P_NR_STATES][E_NR_EVENTS];

/* The state after @event, or -1 where the event makes no sense. */
static inline int page_next(enum page_state state, enum page_event event)
{
	return (int)page_table[state][event] - 1;
}
const char *page_state_name(enum page_state state);
const char *page_event_name(enum page_event event);

#endif
