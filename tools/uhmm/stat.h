/* SPDX-License-Identifier: MIT */
/*
 * stat.h - the figures of one process, between the files of "uhmm stat".
 *
 * They are kept as JSON, the shape in which --json prints them; see
 * src/core/report/stat_socket.c for what comes over the socket.
 */
#ifndef UHMM_STAT_H
#define UHMM_STAT_H

#include <stdbool.h>
#include <sys/types.h>

#include <json-c/json.h>

/* ---- stat-ask.c -------------------------------------------------------- */

enum stat_answer {
	STAT_OK,
	STAT_NONE,   /* no such context in that process */
	STAT_BROKEN, /* it answered, but not to the end */
};

/* What the @n-th context of @pid says; *@ret_text is for free(3). */
enum stat_answer stat_ask(pid_t pid, unsigned n, bool ranges, char **ret_text);
/* Remove the sockets of processes that were killed. */
void stat_sweep(void);

/* ---- stat-parse.c ------------------------------------------------------ */

/* A context from its lines, or NULL when they do not end with "end". */
struct json_object *stat_parse(char *text);

/* ---- stat-print.c ------------------------------------------------------ */

void stat_print(struct json_object *context);

#endif
