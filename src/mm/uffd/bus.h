/* SPDX-License-Identifier: MIT */
/* bus.h - our handler of SIGBUS, and the program's; see bus.c */
#ifndef UHMM_UFFD_BUS_H
#define UHMM_UFFD_BUS_H

#include <signal.h>
#include <stdbool.h>

typedef void uffd_bus_fn(int sig, siginfo_t *info, void *context);

/* Put @fn in front of what the program has, unless it is there still. */
int uffd_bus_install(uffd_bus_fn *fn);
/* No range is registered any more.  @alone: the process has no other thread. */
void uffd_bus_restore(uffd_bus_fn *fn, bool alone);
/* To the program.  Without locks: it may leave by longjmp(3). */
void uffd_bus_pass_on(int sig, siginfo_t *info, void *context);

#endif
