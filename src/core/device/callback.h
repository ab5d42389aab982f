/* SPDX-License-Identifier: MIT */
/*
 * callback.h - calls into providers while they run: which ones, since when, and
 * whether the device is still there.
 *
 * Every callback but release() and usage() runs between call_begin() and
 * call_end().  Both are a few instructions and no system call: the watchdog
 * looks at the slots.
 *
 * No call enters a lost device any more.  Only the release of its provider
 * waits for the calls inside: nothing else may depend on their return.
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

/* The arguments of a call.  @va: address of the first page, 0 if unknown */
struct call_what {
	enum call_op op;
	uintptr_t va;
	uint64_t dpfn;
	uint64_t npages;
};

/*
 * One of a device's slots for calls.
 * @start: ns; 0: free.  With CALL_TOLD: the watchdog has reported the call
 * @next: ns; when the watchdog will report the call again; only it uses this
 */
struct call {
	_Alignas(64) _Atomic uint64_t start;
	_Atomic uint32_t op;
	_Atomic uint64_t va, dpfn, npages;
	uint64_t next;
};

#define NR_CALLS     32
#define CALL_TOLD    UINT64_C(1)
#define CALL_CLAIMED UINT64_C(2) /* not a time: other members are being set */

/*
 * Enter a call.  Waits for the device's lock, unless its provider is
 * UHMM_DEVICE_CONCURRENT.  Return: NULL: the device is lost.
 */
struct call *call_begin(struct uhmm_device *dev, const struct call_what *what);
/*
 * Return: false when the device was lost meanwhile: the call counts as failed.
 */
bool call_end(struct uhmm_device *dev, struct call *c);
/*
 * Keep the device's number and provider until call_drop().  Does not wait.
 * Return: false when the device has given them up.
 */
bool call_hold(struct uhmm_device *dev);
void call_drop(struct uhmm_device *dev);
/* Is any call under way, or is the device held by call_hold()? */
bool call_any(struct uhmm_device *dev);
/* Wait until call_any() is false, at most @timeout_ns; 0: without limit. */
void call_wait(struct uhmm_device *dev, uint64_t timeout_ns);
/* The arguments of the call in slot @c, as they are at this moment. */
struct call_what call_read(const struct call *c);

bool device_in_callback(void);
/* Mark the calling thread around callbacks that belong to no device. */
void callback_enter(void);
void callback_leave(void);

#endif
