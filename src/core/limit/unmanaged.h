/* SPDX-License-Identifier: MIT */
/* unmanaged.h - memory of the process that is not managed: unmanaged.c */
#ifndef UHMM_LIMIT_UNMANAGED_H
#define UHMM_LIMIT_UNMANAGED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sys_memory;
struct uhmm;

/* Of unmanaged memory, bytes that no limit counts. */
#define UNMANAGED_FREE ((uint64_t)3 << 20)

/*
 * Pages.  @counts: what the limit counts
 * @most: the most there ever was, of it @shared and @huge
 * @last: at the last look
 * @born: private pages that a forked child shares with its parent
 * @looked, @weighed, @weighing: the demoter's, ns
 * @part: of @whole pages of shared memory, this process's when it shares them
 */
struct unmanaged {
	_Atomic uint64_t counts, most, shared, huge;
	uint64_t last, born;
	bool is_begun, grows;
	uint64_t looked, weighed, weighing;
	uint64_t whole, part;
};

/*
 * Only for the demoter: look at the memory of the process, if that is due.
 * Return: when to look again, ns, @patience at most; 0: never.
 */
uint64_t unmanaged_look(struct uhmm *u, uint64_t patience);
/* The process has @m in RAM, of which @managed pages are accounted for. */
void unmanaged_note(struct uhmm *u, const struct sys_memory *m,
		    uint64_t managed);

#endif
