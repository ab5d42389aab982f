/* SPDX-License-Identifier: MIT */
/*
 * serve.h - uhmm serve: a provider as the driver of a device of the kernel
 * module, see kernel/README.md.
 */
#ifndef UHMM_SERVE_H
#define UHMM_SERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <uhmm/provider.h>

#include "../../kernel/uapi/uhmm_kmod.h"

#define MAX_SERVERS 64 /* threads */

/*
 * @desc, @priv: the provider's device
 * @lock: protects @queue's heads and tails of the driver
 * @is_over: the threads end
 * @is_dead: the kernel says that the device is dead
 */
struct served {
	struct uhmm_device_desc desc;
	void *priv;
	int fd;
	struct uhmmk_add add;
	char *area;
	struct uhmmk_queue *queue;
	pthread_mutex_t lock;
	pthread_t threads[MAX_SERVERS];
	unsigned int nr_threads;
	atomic_bool is_over, is_dead;
	void *zeroes; /* pages, for devices that others may read */
};

/* Add the device.  False: a message was printed. */
bool serve_add(struct served *s);

/* Start @nr threads.  SIGTERM tells the process that the device is dead. */
bool serve_start(struct served *s, unsigned int nr);

/* Pages come home; no more go out.  Return: how many could not come. */
uint64_t serve_bring_home(struct served *s);

void serve_end(struct served *s);

#endif
