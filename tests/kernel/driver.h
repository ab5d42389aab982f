/* SPDX-License-Identifier: MIT */
/*
 * driver.h - a driver of a device with a ring: a process that keeps the data.
 *
 * The device of the test, see kernel.h, is then a file that is attached to the
 * driver's.
 */
#ifndef UHMM_TESTS_KERNEL_DRIVER_H
#define UHMM_TESTS_KERNEL_DRIVER_H

#include "kernel.h"

#define NO_ANSWER 1 /* no errno, and not 0 */

/* The two processes share this. */
struct driver {
	struct uhmmk_add add;
	int pid;
	/* Of the driver's process */
	char *area, *store;
	struct uhmmk_queue *queue;
	/* The test tells the driver: */
	_Atomic int mood;
	_Atomic unsigned int delay_us; /* before each command */
	/* The driver tells the test: */
	_Atomic unsigned int stores, fetches, frees; /* commands */
	_Atomic unsigned int longest;		     /* in pages */
};

/* Return: 0, -errno, or NO_ANSWER. */
typedef int handle_fn(struct driver *d, const struct uhmmk_command *c);

/*
 * Returns when the driver serves.  Ends the test as skipped where the kernel
 * has no private pages, and for coherent devices.
 */
struct driver *start_driver(int argc, char **argv, uint64_t npages,
			    uint32_t slots, uint32_t timeout_ms,
			    handle_fn *handle);

/* Do what is asked, with memory of the driver. */
int keep(struct driver *d, const struct uhmmk_command *c);

void answer(struct driver *d, const struct uhmmk_command *c, int result);

/* Take commands and answers until the file says that the device is dead. */
void serve_ring(struct driver *d, int fd, handle_fn *handle);

void kill_driver(struct driver *d);

/* Can it be read?  Where not SIGBUS is raised, and caught. */
bool can_touch(const char *at);

/* Wait until @nr pages were stored since the device was added. */
void wait_stored(uint64_t nr);

#endif
