// SPDX-License-Identifier: MIT
/*
 * map-file.c - a file on a device: changed there, and written back from there.
 *
 * The pages of a table come from its file to the device without passing the
 * page cache, a few rows are changed, and the file has all of them after a
 * sync, while the pages stay on the device.
 * cc -o map-file map-file.c $(pkg-config --cflags --libs uhmm)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uhmm/file.h>

#define ROWS ((size_t)1 << 19)
#define LEN  (ROWS * sizeof(uint64_t))

static char path[] = "/var/tmp/uhmm-map-file-XXXXXX";

static int make_table(void)
{
	uint64_t *rows = malloc(LEN);
	int fd = mkstemp(path);

	if (!rows || fd < 0)
		return -1;
	for (size_t i = 0; i < ROWS; i++)
		rows[i] = i;
	if (write(fd, rows, LEN) != (ssize_t)LEN)
		return -1;
	free(rows);
	return fd;
}

/* The sum of the rows, as another process reads them. */
static uint64_t add_up_file(int fd)
{
	uint64_t row[512], sum = 0;

	lseek(fd, 0, SEEK_SET);
	while (read(fd, row, sizeof(row)) == (ssize_t)sizeof(row))
		for (size_t i = 0; i < 512; i++)
			sum += row[i];
	return sum;
}

int main(void)
{
	struct uhmm_device *dev;
	int fd = make_table();
	uint64_t *rows, before;
	struct uhmm *u;
	void *p;

	if (fd < 0 || unlink(path))
		return 1;
	before = add_up_file(fd);
	if (uhmm_open(NULL, &u) || uhmm_device_open(u, "ram:8M", &dev) ||
	    uhmm_map_file(u, fd, 0, LEN, PROT_READ | PROT_WRITE,
			  UHMM_FILE_RELAXED, &p))
		return 1;
	rows = p;

	printf("to the device: %zd pages\n", uhmm_migrate(u, p, LEN, dev));
	for (size_t i = 0; i < ROWS; i += 4096)
		rows[i]++; /* a touch brings the page home */
	printf("and again: %zd pages\n", uhmm_migrate(u, p, LEN, dev));
	printf("in the file before the sync: %ju more\n",
	       (uintmax_t)(add_up_file(fd) - before));
	if (uhmm_file_sync(u, p, LEN, MS_SYNC))
		return 1;
	printf("in the file after it: %ju more\n",
	       (uintmax_t)(add_up_file(fd) - before));
	if (add_up_file(fd) - before != ROWS / 4096)
		return 1;
	return uhmm_unmap_file(u, p) || uhmm_close(u);
}
