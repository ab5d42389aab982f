/* SPDX-License-Identifier: MIT */
/* operations.h - what each kind of request runs: operations.c */
#ifndef UHMM_CONTEXT_OPERATIONS_H
#define UHMM_CONTEXT_OPERATIONS_H

#include <stdint.h>

struct request;
struct uhmm;

/*
 * @OPERATION_URGENT: the request waits neither for events nor for the worker,
 *	because these may wait for the request
 * @OPERATION_QUEUED: the request runs after the queued moves, because these may
 *	name the device that the request ends
 * @OPERATION_OBJECTS: where the range is in a view, the request is for the
 *	object: object_request()
 * @OPERATION_NO_OBJECTS: the request is refused where there is an object
 */
enum {
	OPERATION_URGENT = 1 << 0,
	OPERATION_QUEUED = 1 << 1,
	OPERATION_OBJECTS = 1 << 2,
	OPERATION_NO_OBJECTS = 1 << 3,
};

typedef int64_t operation_fn(struct uhmm *u, const struct request *r);

/* @name: of the public call */
struct operation {
	const char *name;
	operation_fn *run;
	unsigned flags;
};

/* By enum request_op. */
extern const struct operation operations[];

#endif
