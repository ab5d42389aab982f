/* SPDX-License-Identifier: MIT */
/*
 * page.h - the state of one page, a 64-bit word.
 *
 * Bits 0-3 are the state.  A page on a device carries the device's number in
 * bits 8-15 and its dpfn in bits 16-60; a page of RAM carries its pins in
 * bits 16-31.  A zero word is a page of RAM that nobody asked about.
 *
 *	                E_TAKE                    E_ARRIVE
 *	   +--------- P_RAM ---------> P_LEAVING ----------> P_DEVICE
 *	   |  E_PARK  ^ ^ ^  E_HOME        |  ^               |   ^ E_STAY
 *	   v          | | +----------------+  | E_TAKE E_FETCH|   |
 *	P_FROZEN -----+ | ----- E_TAKE -------+               v   |
 *	                +------------- E_HOME ------------ P_COMING
 *
 * P_COHERENT is P_DEVICE with the device's memory mapped at its address: it is
 * E_PLACE from P_COMING, or from P_RAM where the page moves as it is (numa),
 * and E_FETCH back.  The table in page.c has every state and event.
 */
#ifndef UHMM_PAGE_H
#define UHMM_PAGE_H

#include <stdbool.h>
#include <stdint.h>

enum page_state {
	P_RAM,	     /* the kernel knows: present, or not touched yet */
	P_EMPTY,     /* nothing there, we know */
	P_DROPPED,   /* discarded by the application, perhaps not yet gone */
	P_CLEAN,     /* in RAM, write-protected, and on a device still */
	P_DEVICE,    /* on a device */
	P_COHERENT,  /* on a device, and the CPU uses it there */
	P_COMING,    /* on a device, being copied home */
	P_FROZEN,    /* in a frame, at rest */
	P_LEAVING,   /* in a frame, being copied to a device */
	P_EXCLUSIVE, /* in a frame, for one device (exclusive.c) */
	P_REVOKING,  /* the same, while that device is told to let go */
	P_STASHING,  /* at its address or in a frame: its mapping is moving */
	P_CLEARING,  /* nothing there, a device page is being zeroed for it */
	P_POISONED,  /* lost; a touch is SIGBUS */
	P_NR_STATES,
};

enum page_event {
	E_TAKE,	   /* frozen into a frame for a move */
	E_PARK,	   /* frozen into a frame, to see whether it is used */
	E_HOLE,	   /* freezing found nothing */
	E_CLEAR,   /* a device page is being zeroed for it */
	E_STASH,   /* its mapping begins to move into a frame */
	E_ARRIVE,  /* its data are on the device */
	E_EXCLUDE, /* its frame is one device's */
	E_REVOKE,  /* and the CPU's again, in a moment */
	E_PLACE,   /* mapped for the CPU where it is, on the device */
	E_FETCH,   /* its copy home begins */
	E_STAY,	   /* that copy failed, or must be done again */
	E_HOME,	   /* mapped for the CPU, with its data */
	E_SHARE,   /* the same, read-only: the device's copy stays good */
	E_ZERO,	   /* mapped for the CPU, as zeroes */
	E_DISCARD, /* the application dropped it */
	E_LOSE,	   /* its data are lost */
	E_FORGET,  /* its address is not managed any more */
	E_NR_EVENTS,
};

#define PAGE_STATE_MASK UINT64_C(0xf)
#define PAGE_CHARGED	(UINT64_C(1) << 4)  /* P_RAM: counted as resident */
#define PAGE_DROP	(UINT64_C(1) << 5)  /* discarded, its mover looks */
#define PAGE_AWAY	(UINT64_C(1) << 6)  /* P_STASHING: was P_DEVICE */
#define PAGE_SWAPPING	(UINT64_C(1) << 7)  /* see coherent.c */
#define PAGE_GONE	(UINT64_C(1) << 61) /* P_STASHING: unmapped */
#define PAGE_NEW	(UINT64_C(1) << 62) /* P_STASHING: RAM came since */
#define PAGE_ORPHAN	(UINT64_C(1) << 4)  /* P_POISONED: see coherent.c */
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

/* Pins live in the words of pages that are, or may come to be, in RAM. */
static inline bool page_can_pin(uint64_t w)
{
	return page_state(w) == P_RAM || page_state(w) == P_DROPPED;
}

static inline uint64_t page_pins(uint64_t w)
{
	return page_can_pin(w) ? w >> PAGE_PIN_SHIFT & PAGE_PIN_MAX : 0;
}

#define PAGE_HOLDS_RAM                                      \
	(1u << P_CLEAN | 1u << P_FROZEN | 1u << P_LEAVING | \
	 1u << P_EXCLUSIVE | 1u << P_REVOKING)

/* Does the page hold RAM that we count? */
static inline bool page_in_ram(uint64_t w)
{
	unsigned charged = !!(w & PAGE_CHARGED);
	unsigned may = charged << P_RAM | charged << P_STASHING;

	return (PAGE_HOLDS_RAM | may) >> page_state(w) & 1;
}

#define PAGE_ON_DEVICE (1u << P_DEVICE | 1u << P_COMING | 1u << P_COHERENT)

/* Is the page on a device, and nowhere else? */
static inline bool page_is_away(uint64_t w)
{
	return (PAGE_ON_DEVICE >> page_state(w) & 1) | !!(w & PAGE_AWAY);
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
