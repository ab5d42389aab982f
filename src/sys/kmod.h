/* SPDX-License-Identifier: MIT */
/*
 * kmod.h - calls of /dev/uhmm, the kernel module of kernel/.
 *
 * @fd is a file that has a device.  Results and errors as in kernel.h, and each
 * call can be told to fail.
 */
#ifndef UHMM_SYS_KMOD_H
#define UHMM_SYS_KMOD_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernel/uapi/uhmm_kmod.h"

/*
 * Move pages to device @to, or to UHMMK_RAM.  @ret_why: a byte a page, which
 * stays as it is for pages that were not tried: those from the one on at which
 * the call failed.
 */
int sys_kmod_move(int fd, uint32_t to, uintptr_t addr, size_t npages,
		  uint8_t *ret_why);
/* @ret_on: for each page the number of a device, or UHMMK_RAM, _NOWHERE. */
int sys_kmod_look(int fd, uintptr_t addr, size_t npages, uint32_t *ret_on);
int sys_kmod_stat(int fd, struct uhmmk_stat *ret);
/* -EOPNOTSUPP: the device is coherent. */
int sys_kmod_lose(int fd);

#endif
