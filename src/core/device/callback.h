/* SPDX-License-Identifier: MIT */
/*
 * callback.h - calls into providers while they run: which ones, since when, and
 * whether the device is still there.
 *
 * Every callback but release() runs between call_begin() and call_end().  Both
 * are a few instructions and no system call: the watchdog looks at the slots.
 *
 * A device that is lost lets nobody in any more, and waits for those inside
 * only to release its provider: nothing else may depend on their return.
 */
#ifndef UHMM_DEVICE_CALLBACK_H
#define UHMM_DEVICE_CALLBACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uhmm_device;

enum call_op {
	CALL_IN = 1,
	CALL_OUT,
	CALL_CLEAR,
	CALL_DIRECT,
	CALL_PEER,
	CALL_FREE,
	CALL_STORED,
};

/* What a call is about.  @va: of its first page, or 0 where that is unknown */
struct call_what {
	enum call_op op;
	uintptr_t va;
	uint64_t dpfn;
	uint64_t npages;
};

/*
 * One of a device's slots.
 * @start: ns; 0: free.  CALL_TOLD in it: the watchdog has reported the call
 * @next: ns; when it will do so again.  The watchdog's
 */
struct call {
	_Alignas(64) _Atomic uint64_t start;
	_Atomic uint32_t op;
	_Atomic uint64_t va, dpfn, npages;
	uint64_t next;
};

#define NR_CALLS     32
#define CALL_TOLD    UINT64_C(1)
#define CALL_CLAIMED UINT64_C(2) /* not a time: its other members come now */

/* NULL: the device is lost.  Waits for the device's lock, if it wants one. */
struct call *call_begin(struct uhmm_device *dev, const struct call_what *what);
/* Return: false when the device was lost meanwhile: nothing it did counts. */
bool call_end(struct uhmm_device *dev, struct call *c);
/*
 * The device keeps its number, and its provider, until call_drop().  Waits for
 * nothing.  Return: false when it has given them up.
 */
bool call_hold(struct uhmm_device *dev);
void call_drop(struct uhmm_device *dev);
/* Is any call under way, or is the device held by call_hold()? */
bool call_any(struct uhmm_device *dev);
/* Wait until none is, at most @timeout_ns; 0: as long as it takes. */
void call_wait(struct uhmm_device *dev, uint64_t timeout_ns);
/* What a slot says at this moment. */
struct call_what call_read(const struct call *c);

bool device_in_callback(void);
/* Around callbacks that are no device's. */
void callback_enter(void);
void callback_leave(void);

#endif
