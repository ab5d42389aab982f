/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * look.h - where the pages of the calling process are.
 */
#ifndef UHMMK_LOOK_H
#define UHMMK_LOOK_H

#include "device.h"

/*
 * Write UHMMK_RAM, UHMMK_NOWHERE or a device's number for each page to @on.  No
 * page is faulted in.  May sleep.  Return: 0, -EFAULT, -ENOMEM, -EINTR, or
 * -EBUSY if the page tables keep changing.
 */
int uhmmk_look(unsigned long addr, unsigned long npages, u32 __user *on);

#endif
