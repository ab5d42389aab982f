// SPDX-License-Identifier: MIT
/*
 * A file that is mapped: how fast its pages come to a device, and go back to
 * the disk from there.
 *
 * The bare primitives are reads past the page cache, and write(2)s from RAM
 * with fdatasync(2), 2 MiB each, of a file beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <uhmm/file.h>

#include "harness.h"
#include "mapped.h"

#define SPEC "ram:256M"

/* @fd: mapped; @other: for the bare primitives, @direct past the page cache */
struct mapped {
	struct ours ours;
	int fd, other, direct;
	char *mem, *buf;
	size_t len;
};

static int temp_file(int *ret_direct)
{
	char name[] = "/var/tmp/uhmm-bench-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0)
		return -EOPNOTSUPP;
	*ret_direct = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	unlink(name);
	return fd;
}

static void write_whole(int fd, const char *buf, size_t len)
{
	for (size_t at = 0; at < len; at += BLOCK)
		if (pwrite(fd, buf, BLOCK, (off_t)at) != (ssize_t)BLOCK)
			bench_die("pwrite", EIO);
	if (fdatasync(fd))
		bench_die("fdatasync", errno);
}

static void read_whole(int fd, char *buf, size_t len)
{
	for (size_t at = 0; at < len; at += BLOCK)
		if (pread(fd, buf, BLOCK, (off_t)at) != (ssize_t)BLOCK)
			bench_die("pread", EIO);
}

static void map_it(struct mapped *m)
{
	void *p;
	int err = uhmm_map_file(m->ours.u, m->fd, 0, m->len,
				PROT_READ | PROT_WRITE, UHMM_FILE_RELAXED, &p);

	if (err)
		bench_die("uhmm_map_file", err);
	m->mem = p;
}

static void unmap_it(struct mapped *m)
{
	int err = uhmm_unmap_file(m->ours.u, m->mem);

	if (err)
		bench_die("uhmm_unmap_file", err);
}

static void sync_it(struct mapped *m)
{
	int err = uhmm_file_sync(m->ours.u, m->mem, m->len, MS_SYNC);

	if (err)
		bench_die("uhmm_file_sync", err);
}

static int mapped_open(struct mapped *m, const struct bench_run *run)
{
	const struct uhmm_params params = { .size = sizeof(params) };
	int unused = -1, err = ours_open(&m->ours, &params, SPEC);

	if (err)
		return err;
	m->len = (bench_quick(run) ? 16 : 128) * MIB;
	m->fd = temp_file(&unused);
	m->other = temp_file(&m->direct);
	if (m->fd < 0 || m->direct < 0) {
		ours_close(&m->ours);
		return -EOPNOTSUPP;
	}
	close(unused);
	m->buf = map_pages(BLOCK, false);
	touch(m->buf, BLOCK, 1);
	write_whole(m->fd, m->buf, m->len);
	write_whole(m->other, m->buf, m->len);
	return 0;
}

static void mapped_close(struct mapped *m)
{
	ours_close(&m->ours);
	munmap(m->buf, BLOCK);
	close(m->fd);
	close(m->other);
	close(m->direct);
}

/* Time both, in GB/s. */
static void time_both(struct mapped *m, void (*ours)(struct mapped *m),
		      void (*bare)(struct mapped *m), struct result *r)
{
	uint64_t start = now_ns(), middle;

	ours(m);
	middle = now_ns();
	bare(m);
	result_add(r, gbps(m->len, middle - start),
		   gbps(m->len, now_ns() - middle));
}

static void fill(struct mapped *m)
{
	ours_move(&m->ours, m->mem, m->len, m->ours.dev);
}

static void fill_bare(struct mapped *m)
{
	read_whole(m->direct, m->buf, m->len);
}

static void sync_bare(struct mapped *m)
{
	write_whole(m->other, m->buf, m->len);
}

/* All pages count as written, on the device. */
static void round_of_both(struct mapped *m, struct result *in,
			  struct result *out)
{
	map_it(m);
	time_both(m, fill, fill_bare, in);
	ours_move(&m->ours, m->mem, m->len, NULL);
	touch(m->mem, m->len, 2);
	ours_move(&m->ours, m->mem, m->len, m->ours.dev);
	time_both(m, sync_it, sync_bare, out);
	ours_move(&m->ours, m->mem, m->len, NULL);
	unmap_it(m);
}

int measure_mapped(struct bench_run *run)
{
	struct result in = { 0 }, out = { 0 };
	struct mapped m = { .len = 0 };
	int err = mapped_open(&m, run);

	if (err)
		return err;
	company_begin(ALONE);
	for (unsigned r = 0; r < rounds(run, 5); r++)
		round_of_both(&m, &in, &out);
	company_end();
	at_least(run, "file-fill", ALONE, "GB/s", 0.9, &in);
	at_least(run, "file-sync", ALONE, "GB/s", 0.8, &out);
	mapped_close(&m);
	return 0;
}
