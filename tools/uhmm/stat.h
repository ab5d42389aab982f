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

/* With the command's name before it, and the number of the process. */
#define STAT_NO_ANSWER "process %d did not answer to the end; try again"

/*
 * What each context of @pid answers to @request goes to @list; see
 * src/core/report/stat_socket.c for both.
 */
enum stat_answer stat_ask_all(pid_t pid, const char *request,
			      struct json_object *list);
/* Remove the sockets of processes that were killed. */
void stat_sweep(void);

/* ---- stat-process.c ---------------------------------------------------- */

/* Else each says why. */
bool stat_may_ask(const char *command, pid_t pid);
bool stat_parse_pid(const char *command, const char *arg, pid_t *ret);

/* ---- stat-parse.c ------------------------------------------------------ */

/* A context from its lines, or NULL when they do not end with "end". */
struct json_object *stat_parse(char *text);

/* ---- stat-print.c ------------------------------------------------------ */

void stat_print(struct json_object *context);

#endif
