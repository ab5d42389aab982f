// SPDX-License-Identifier: MIT
/*
 * lose.c - the pages of a lost device are gone: a touch raises SIGBUS, other
 * pages stay, and the device ends when the last of its pages is unmapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

#define NPAGES 64UL

static sigjmp_buf back;

static void on_sigbus(int sig)
{
	siglongjmp(back, sig);
}

static bool can_touch(const char *at)
{
	bool ok = false;

	if (!sigsetjmp(back, 1)) {
		(void)*(const volatile char *)at;
		ok = true;
	}
	return ok;
}

static int lose(int fd)
{
	struct uhmmk_lose lose = { .size = sizeof(lose) };

	return call(fd, UHMMK_LOSE, &lose);
}

static void only_owner(void)
{
	struct uhmmk_attach attach = { .size = sizeof(attach),
				       .id = device.id };
	struct uhmmk_lose wrong = { .size = sizeof(wrong), .flags = 1 };
	int fd = open_file();

	CHECK_EQ(call(fd, UHMMK_ATTACH, &attach), 0);
	CHECK_EQ(lose(fd), EPERM);
	CHECK_EQ(call(device.fd, UHMMK_LOSE, &wrong), EINVAL);
	close(fd);
}

static void check_lost(char *at)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { at, 1 };

	for (size_t i = 0; i < NPAGES; i++)
		CHECK(!can_touch(at + i * PAGE));
	CHECK_EQ(process_vm_readv(getpid(), &to, 1, &from, 1, 0), -1);
	CHECK_EQ(home(at, NPAGES), 0);
	CHECK_EQ(count_away(at, NPAGES), NPAGES);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_sigbus };
	char *at, *other;

	start(argc, argv);
	only_owner();
	if (device.type == UHMMK_COHERENT) {
		CHECK_EQ(lose(device.fd), EOPNOTSUPP);
		return 0;
	}
	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	at = map_pages(NPAGES);
	other = map_pages(NPAGES);
	fill(at, NPAGES, 1);
	fill(other, NPAGES, 2);
	all_out(at, NPAGES);
	CHECK_EQ(lose(device.fd), 0);
	check_lost(at);
	CHECK_EQ(out(other, NPAGES), 0);
	CHECK(is_filled(other, NPAGES, 2));
	CHECK_EQ(madvise(at, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(*at, 0);
	CHECK_EQ(munmap(at, NPAGES * PAGE), 0);
	CHECK_EQ(statistics().used, 0);
	close(device.fd);
	return 0;
}
