// SPDX-License-Identifier: MIT
/*
 * file-device.c - a device that is a file: its page n is page n of the file.
 *
 * The file has no name, so its data are gone with the process.  The provider
 * "file:4G" of uhmm also does direct I/O; this one is short, to be read.
 * cc -o file-device file-device.c $(pkg-config --cflags --libs uhmm)
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uhmm/provider.h>

#define NPAGES 1024
#define LEN    (NPAGES * uhmm_page_size())

static int transfer(int fd, const struct uhmm_segment *seg, bool is_write)
{
	char *ram = seg->ram;
	size_t left = seg->npages * uhmm_page_size();
	off_t at = (off_t)(seg->dpfn * uhmm_page_size());

	while (left) {
		ssize_t n = is_write ? pwrite(fd, ram, left, at) :
				       pread(fd, ram, left, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return uhmm_provider_fail(n ? -errno : -EIO,
						  "the file is too short");
		ram += n;
		at += n;
		left -= (size_t)n;
	}
	return 0;
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = 0;

	for (; nr && !err; seg++, nr--)
		err = transfer(*(int *)priv, seg, true);
	return err;
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	int err = 0;

	for (; nr && !err; seg++, nr--)
		err = transfer(*(int *)priv, seg, false);
	return err;
}

static void page_free(void *priv, uint64_t dpfn, size_t npages)
{
	(void)fallocate(*(int *)priv,
			FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)(dpfn * uhmm_page_size()),
			(off_t)(npages * uhmm_page_size()));
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy_to_devmem,
	.copy_to_ram = copy_to_ram,
	.page_free = page_free,
};

int main(void)
{
	size_t *data = aligned_alloc(uhmm_page_size(), LEN), wrong = 0;
	struct uhmm_device_desc desc = { .size = sizeof(desc), .ops = &ops };
	FILE *file = tmpfile();
	int fd = file ? fileno(file) : -1;
	struct uhmm_device *dev;
	struct uhmm *u;

	desc.name = "disk";
	desc.type = UHMM_MEMORY_DEVICE_PRIVATE;
	desc.npages = NPAGES;
	if (!data || fd < 0 || ftruncate(fd, (off_t)LEN) ||
	    uhmm_open(NULL, &u) || uhmm_device_add(u, &desc, &fd, &dev))
		return 1;
	for (size_t i = 0; i < LEN / sizeof(*data); i++)
		data[i] = i * i;
	if (uhmm_migrate(u, data, LEN, dev) != NPAGES)
		return 1;
	for (size_t i = 0; i < LEN / sizeof(*data); i++)
		wrong += data[i] != i * i; /* the first touch brings it home */
	printf("%zu words came back wrong\n", wrong);
	return uhmm_close(u) || wrong;
}
