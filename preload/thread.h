/* SPDX-License-Identifier: MIT */
/* thread.h - threads of the program, and of libuhmm; see thread.c */
#ifndef UHMM_PRELOAD_THREAD_H
#define UHMM_PRELOAD_THREAD_H

/* Find the C library's count of threads. */
void thread_init(void);

#endif
