/* SPDX-License-Identifier: MIT */
/*
 * dispatch.h - work for the worker: calls made on a stack that may be managed,
 * and moves in the background.  See dispatch.c.
 */
#ifndef UHMM_CONTEXT_DISPATCH_H
#define UHMM_CONTEXT_DISPATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/mirror.h>
#include <uhmm/uhmm.h>

#include "sys/lock.h"
#include "sys/sys.h"

struct file_map;
struct uhmm_group;
struct uhmm_object;

#define NR_REQUESTS   64
#define NR_BACKGROUND 48 /* of these; the rest is for callers that wait */
#define NR_QUIET      8	 /* of those in the background */

enum request_op {
	REQ_MIGRATE = 1,
	REQ_PIN,
	REQ_UNPIN,
	REQ_FAULT_IN,
	REQ_PREFER,
	REQ_ADVISE,
	REQ_WILLNEED,
	REQ_REGISTER,
	REQ_UNREGISTER,
	REQ_ATTACH,
	REQ_REMOVE,
	REQ_LOST,
	REQ_FAILED,
	REQ_DEVICE_MAP,
	REQ_DEVICE_UNMAP,
	REQ_SNAPSHOT,
	REQ_LIMIT,
	REQ_CHARGE,
	REQ_CHARGE_START,
	REQ_GROUP_CREATE,
	REQ_GROUP_DESTROY,
	REQ_CLOSE,
	REQ_MIRROR_REMOVE,
	REQ_MIRROR_FAULT,
	REQ_MIRROR_SNAPSHOT,
	REQ_NOTIFY_BEGIN,
	REQ_NOTIFY_END,
	REQ_RANGES,
	REQ_RANGE_PAGES,
	REQ_LOOK_AGAIN,
	REQ_OBJECT_CREATE,
	REQ_OBJECT_ADOPT,
	REQ_OBJECT_IS_MAPPED,
	REQ_OBJECT_MAP,
	REQ_OBJECT_DISCARD,
	REQ_OBJECT_REMOVE,
	REQ_OBJECT_DESTROY,
	REQ_FILE_MAP,
	REQ_FILE_UNMAP,
	REQ_FILE_SYNC,
	REQ_FILE_REFRESH,
	REQ_NOTHING,
};

struct request {
	enum request_op op;
	uintptr_t addr;
	size_t len;
	struct uhmm_device *dev;
	struct uhmm_mirror *mirror;
	struct uhmm_group *group;
	struct uhmm_group **ret_group;
	struct uhmm_range *ranges;
	struct uhmm_object *object;
	struct file_map *file;
	const char *name;
	unsigned flags;
	uint8_t *why;
	uhmm_pfn_t *pfns;
	uint64_t cookie;
	uint64_t dpfn;
	int64_t result;
	bool background;
	bool quiet;	       /* in the background, without a completion */
	_Atomic uint32_t done; /* futex */
	uint32_t next;	       /* of its list, + 1 */
};

struct requests {
	struct sys_mutex lock;
	struct request slot[NR_REQUESTS];
	uint32_t free, head, tail, done_head, done_tail; /* + 1 */
	uint32_t nr_background; /* until their completion is read */
	uint32_t nr_quiet;	/* of these */
	_Atomic uint32_t kick;
	_Atomic uint32_t freed; /* futex: a slot became free */
	struct sys_thread thread;
	bool running, stop;
	int fd;
};

int request_start_worker(struct uhmm *u);
int request_init(struct uhmm *u);
int64_t request_run(struct uhmm *u, const struct request *req);
int request_start(struct uhmm *u, const struct request *req);
/* In the body of a request: do @req later, or never if too many are waiting. */
void request_quietly(struct uhmm *u, const struct request *req);
void request_drain(struct uhmm *u);
void request_stop(struct uhmm *u);
void request_destroy(struct uhmm *u);

#endif
