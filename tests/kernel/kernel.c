// SPDX-License-Identifier: MIT
/*
 * kernel.c - what tests of the kernel module have in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

struct device device;

int open_file(void)
{
	int fd = open("/dev/uhmm", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? errno : 0;
}

int add_device(uint32_t type, uint64_t npages, uint64_t phys, int *ret_fd,
	       uint32_t *ret_id)
{
	struct uhmmk_add add = {
		.size = sizeof(add),
		.flags = type == UHMMK_PRIVATE ? UHMMK_KERNEL_STORE : 0,
		.type = type,
		.npages = npages,
		.phys = phys,
	};
	int fd = open_file(), error = call(fd, UHMMK_ADD, &add);

	if (error) {
		close(fd);
		return error;
	}
	CHECK(add.id != 0 && add.npages >= npages);
	*ret_fd = fd;
	*ret_id = add.id;
	return 0;
}

void start(int argc, char **argv)
{
	char *private[] = { argv[0], (char[]){ "private" }, NULL };
	bool is_coherent = argc > 1 && strcmp(argv[1], "coherent") == 0;
	uint64_t phys = 0;
	int ret;

	if (argc > 1 && strcmp(argv[1], "ring") == 0) {
		start_driver(2, private, DEVICE_PAGES, 256, 60000, keep);
		return;
	}
	if (is_coherent && argc > 2)
		phys = strtoull(argv[2], NULL, 0);
	device.type = is_coherent ? UHMMK_COHERENT : UHMMK_PRIVATE;
	ret = add_device(device.type, DEVICE_PAGES, phys, &device.fd,
			 &device.id);
	if (ret == EOPNOTSUPP) {
		printf("this kernel has no private device pages\n");
		exit(TEST_SKIPPED);
	}
	CHECK_EQ(ret, 0);
}

char *map_pages(size_t npages)
{
	char *at = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	madvise(at, npages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

static uint64_t value(size_t i, unsigned int seed)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15) + seed;
}

void fill(char *at, size_t npages, unsigned int seed)
{
	for (size_t i = 0; i < npages * PAGE / 8; i++)
		((uint64_t *)at)[i] = value(i, seed);
}

bool is_filled(const char *at, size_t npages, unsigned int seed)
{
	for (size_t i = 0; i < npages * PAGE / 8; i++)
		if (((const uint64_t *)at)[i] != value(i, seed))
			return false;
	return true;
}

size_t move_pages_to(uint32_t to, void *at, size_t npages, uint8_t *why)
{
	struct uhmmk_move move = {
		.size = sizeof(move),
		.addr = (uintptr_t)at,
		.npages = npages,
		.to = to,
		.why = (uintptr_t)why,
	};

	CHECK_EQ(call(device.fd, UHMMK_MOVE, &move), 0);
	return move.moved;
}

size_t out(void *at, size_t npages)
{
	return move_pages_to(device.id, at, npages, NULL);
}

size_t home(void *at, size_t npages)
{
	return move_pages_to(UHMMK_RAM, at, npages, NULL);
}

static void look(void *at, size_t npages, uint32_t *on)
{
	struct uhmmk_look look = {
		.size = sizeof(look),
		.addr = (uintptr_t)at,
		.npages = npages,
		.on = (uintptr_t)on,
	};

	CHECK_EQ(call(device.fd, UHMMK_LOOK, &look), 0);
}

uint32_t where(void *at)
{
	uint32_t on;

	look(at, 1, &on);
	return on;
}

size_t count_away(void *at, size_t npages)
{
	uint32_t *on = malloc(npages * sizeof(*on));
	size_t count = 0;

	look(at, npages, on);
	for (size_t i = 0; i < npages; i++)
		count += on[i] == device.id;
	free(on);
	return count;
}

struct uhmmk_stat statistics(void)
{
	struct uhmmk_stat stat = { .size = sizeof(stat) };

	CHECK_EQ(call(device.fd, UHMMK_STAT, &stat), 0);
	return stat;
}

void all_out(char *at, size_t npages)
{
	CHECK_EQ(out(at, npages), npages);
	while (device.has_ring && statistics().stores < statistics().out)
		usleep(1000);
	CHECK_EQ(count_away(at, npages), npages);
}

void expect_child(int pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

int unload(void)
{
	return syscall(SYS_delete_module, "uhmm", O_NONBLOCK) ? errno : 0;
}

void expect_unloaded(void)
{
	int tries = 0, ret;

	while ((ret = unload()) == EAGAIN || ret == EBUSY) {
		CHECK(tries++ < 1000);
		usleep(10000);
	}
	CHECK_EQ(ret, 0);
}
