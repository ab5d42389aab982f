// SPDX-License-Identifier: MIT
/*
 * socket.c - a device behind a socket: another process has the pages.
 *
 * A request is a header, then pages.  By TCP the server could be elsewhere.
 * cc -o socket socket.c $(pkg-config --cflags --libs uhmm)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uhmm/provider.h>

#define NPAGES 512
#define LEN    (NPAGES * uhmm_page_size())

struct request {
	uint64_t dpfn, npages, is_write;
};

/* Write all of @buf (@out), or read all of it. */
static bool move(int fd, char *buf, size_t len, bool out)
{
	ssize_t n = 1;

	for (; len && n > 0; buf += n, len -= (size_t)n)
		n = out ? send(fd, buf, len, MSG_NOSIGNAL) :
			  recv(fd, buf, len, MSG_WAITALL);
	return n > 0;
}

/* The other process: it ends when the socket is closed. */
static _Noreturn void serve(const int fds[2])
{
	char *memory = malloc(LEN);
	struct request r;

	close(fds[0]);
	while (memory && move(fds[1], (char *)&r, sizeof(r), false))
		move(fds[1], memory + r.dpfn * uhmm_page_size(),
		     r.npages * uhmm_page_size(), !r.is_write);
	_exit(0);
}

static int transfer(int fd, const struct uhmm_segment *seg, size_t nr, bool wr)
{
	for (; nr; seg++, nr--) {
		struct request r = { seg->dpfn, seg->npages, wr };
		if (!move(fd, (char *)&r, sizeof(r), true) ||
		    !move(fd, seg->ram, r.npages * uhmm_page_size(), wr))
			return uhmm_provider_fail(-ENODEV, "no server");
	}
	return 0;
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return transfer(*(int *)priv, seg, nr, true);
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return transfer(*(int *)priv, seg, nr, false);
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy_to_devmem,
	.copy_to_ram = copy_to_ram,
};

int main(void)
{
	size_t *data = aligned_alloc(uhmm_page_size(), LEN), wrong = 0;
	struct uhmm_device_desc desc = { .size = sizeof(desc), .ops = &ops };
	struct uhmm_device *dev;
	struct uhmm *u;
	int fds[2];

	if (!data || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return 1;
	if (fork() == 0)
		serve(fds);
	close(fds[1]);
	desc.name = "far";
	desc.type = UHMM_MEMORY_DEVICE_PRIVATE;
	desc.npages = NPAGES;
	for (size_t i = 0; i < LEN / sizeof(*data); i++)
		data[i] = i * i;
	if (uhmm_open(NULL, &u) || uhmm_device_add(u, &desc, &fds[0], &dev) ||
	    uhmm_migrate(u, data, LEN, dev) != NPAGES)
		return 1;
	for (size_t i = 0; i < LEN / sizeof(*data); i++)
		wrong += data[i] != i * i; /* the first touch brings it home */
	printf("%zu words came back wrong\n", wrong);
	return uhmm_close(u) || wrong;
}
