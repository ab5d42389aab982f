/* SPDX-License-Identifier: MIT */
/*
 * stat.h - the figures of one process, between the files of "uhmm stat".
 *
 * The figures are kept as JSON, in the shape that --json prints.
 * src/core/report/stat_socket.c describes the lines on the socket.
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
	STAT_BROKEN, /* the answer is incomplete */
};

/* For printf(): the name of the command is printed before, the pid goes in. */
#define STAT_NO_ANSWER "process %d did not answer to the end; try again"

/*
 * Send @request to each context of @pid, and add each answer to @list.
 * src/core/report/stat_socket.c describes both.
 */
enum stat_answer stat_ask_all(pid_t pid, const char *request,
			      struct json_object *list);
/* Remove the sockets of processes that were killed. */
void stat_sweep(void);

/* ---- stat-process.c ---------------------------------------------------- */

/* False: refused, and a message was printed. */
bool stat_may_ask(const char *command, pid_t pid);
bool stat_parse_pid(const char *command, const char *arg, pid_t *ret);

/* ---- stat-parse.c ------------------------------------------------------ */

/* The JSON of a context's lines; NULL: the lines do not end with "end". */
struct json_object *stat_parse(char *text);

/* ---- stat-print.c ------------------------------------------------------ */

void stat_print(struct json_object *context);

#endif
