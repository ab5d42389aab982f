/* SPDX-License-Identifier: MIT */
/* kmod.c - see kmod.h */
#include "sys/kmod.h"

#include <errno.h>

#include "sys/kernel.h"

int sys_kmod_move(int fd, uint32_t to, uintptr_t addr, size_t npages,
		  uint8_t *ret_why)
{
	struct uhmmk_move move = {
		.size = sizeof(move),
		.addr = addr,
		.npages = npages,
		.to = to,
		.why = (uintptr_t)ret_why,
	};

	return sys_ioctl("kmod move", fd, UHMMK_MOVE, &move);
}

/* A signal that the thread does not block ends the call. */
int sys_kmod_look(int fd, uintptr_t addr, size_t npages, uint32_t *ret_on)
{
	struct uhmmk_look look = {
		.size = sizeof(look),
		.addr = addr,
		.npages = npages,
		.on = (uintptr_t)ret_on,
	};
	int err;

	do {
		err = sys_ioctl("kmod look", fd, UHMMK_LOOK, &look);
	} while (err == -EINTR);
	return err;
}

int sys_kmod_stat(int fd, struct uhmmk_stat *ret)
{
	*ret = (struct uhmmk_stat){ .size = sizeof(*ret) };
	return sys_ioctl("kmod stat", fd, UHMMK_STAT, ret);
}

int sys_kmod_lose(int fd)
{
	struct uhmmk_lose lose = { .size = sizeof(lose) };

	return sys_ioctl("kmod lose", fd, UHMMK_LOSE, &lose);
}
