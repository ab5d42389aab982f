// SPDX-License-Identifier: MIT
/*
 * Compressed memory against lz4 itself, on the text of this machine.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bare.h"
#include "harness.h"

#define LEN (32 * MIB)

struct packed {
	char *bytes;
	int len;
};

/* The bare program's device: each page alone, in an arena. */
struct zram {
	struct bare bare;
	struct ours ours;
	char *text, *mine;
	char *arena;
	struct packed *pages;
	char *bounce;
	uint32_t *order;
	uint64_t *ns;
	size_t len, npages;
};

/* ---- Text ------------------------------------------------------------- */

static size_t read_file(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, room);

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

/* Read the files of a folder and its subfolders, until @room is full. */
static size_t read_tree(const char *path, char *buf, size_t room)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	size_t n = 0;

	while (dir && n < room && (e = readdir(dir))) {
		char name[4096];

		if (e->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(name, sizeof(name), "%s/%s", path,
				     e->d_name) >= sizeof(name))
			continue;
		if (e->d_type == DT_DIR)
			n += read_tree(name, buf + n, room - n);
		else if (e->d_type == DT_REG)
			n += read_file(name, buf + n, room - n);
	}
	if (dir)
		closedir(dir);
	return n;
}

/* If the text is too short repeat it. */
static void get_text(char *buf, size_t len)
{
	static const char *const trees[] = { "/usr/include", "/usr/share/perl",
					     "/usr/lib/python3",
					     "/usr/share/common-licenses",
					     "/usr/share" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(trees) / sizeof(*trees) && n < len; i++)
		n += read_tree(trees[i], buf + n, len - n);
	if (!n)
		n = (size_t)sprintf(buf, "no text on this machine\n");
	while (n < len) {
		size_t more = n < len - n ? n : len - n;

		memcpy(buf + n, buf, more);
		n += more;
	}
}

/* ---- Bare ------------------------------------------------------------- */

static uint64_t bare_pack(struct zram *z)
{
	static LZ4_stream_t state;
	uint64_t start = now_ns();
	char *at = z->arena;

	for (size_t i = 0; i < z->npages; i++) {
		int len = LZ4_compress_fast_extState(
			&state, z->text + i * PAGE, at, (int)PAGE,
			LZ4_compressBound((int)PAGE), 1);

		z->pages[i] = (struct packed){ at, len };
		at += len;
	}
	return now_ns() - start;
}

static struct zram *resolving;

static void resolve(struct bare *b, char *addr)
{
	struct packed *p = &resolving->pages[(size_t)(addr - b->reg) / PAGE];

	LZ4_decompress_safe(p->bytes, resolving->bounce, p->len, (int)PAGE);
	bare_copy(b->uffd, addr, resolving->bounce, PAGE);
}

static struct latency touch_all(struct zram *z, char *p)
{
	for (size_t i = 0; i < z->npages; i++) {
		volatile char *page = p + z->order[i] * PAGE;
		uint64_t start = now_ns();

		(void)*page;
		z->ns[i] = now_ns() - start;
	}
	return latency_of(z->ns, z->npages);
}

static struct latency bare_faults(struct zram *z, bool inlined)
{
	struct bare *b = &z->bare;
	struct latency l;

	resolving = z;
	madvise(b->reg, b->len, MADV_DONTNEED);
	if (inlined)
		bare_signal_begin(b);
	else
		bare_handlers_begin(b, true);
	warm(b->len);
	l = touch_all(z, b->reg);
	if (inlined)
		bare_signal_end();
	else
		bare_handlers_end(b);
	return l;
}

/* ---- uhmm ------------------------------------------------------------- */

static uint64_t our_pack(struct zram *z)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < z->len; i += BLOCK)
		ours_move(&z->ours, z->mine + i, BLOCK, z->ours.dev);
	return now_ns() - start;
}

struct figures {
	struct result pack, fault;
};

static void round_once(struct zram *z, bool inlined, struct figures *f)
{
	uint64_t bare = bare_pack(z), ours;
	struct latency bl, ol;

	warm(z->len);
	ours = our_pack(z);
	result_add(&f->pack, gbps(z->len, ours), gbps(z->len, bare));
	bl = bare_faults(z, inlined);
	warm(z->len);
	ol = touch_all(z, z->mine);
	result_add(&f->fault, ol.p50, bl.p50);
	series_add(&f->fault.p99, ol.p99);
	if (memcmp(z->mine, z->text, z->len))
		bench_die("memory came home changed", EIO);
}

static int zram_open(struct zram *z, struct bench_run *run, bool inlined)
{
	struct uhmm_params p = {
		.fault_mode = inlined ? UHMM_FAULTS_INLINE :
					UHMM_FAULTS_THREADS,
	};
	int err = bare_check();

	memset(z, 0, sizeof(*z));
	if (!err)
		err = ours_open(&z->ours, &p, "zram:128M");
	if (err)
		return err;
	z->len = z->bare.len = bench_quick(run) ? LEN / 8 : LEN;
	z->npages = z->len / PAGE;
	z->text = map_pages(z->len, false);
	z->mine = map_pages(z->len, false);
	z->arena = map_pages(2 * z->len, false);
	z->bounce = map_pages(BLOCK, false);
	z->bare.reg = map_pages(z->len + BLOCK, false);
	z->bare.dev = z->bounce;
	z->pages = malloc(z->npages * sizeof(*z->pages));
	z->ns = malloc(z->npages * sizeof(*z->ns));
	z->order = shuffled(z->npages);
	get_text(z->text, z->len);
	memcpy(z->mine, z->text, z->len);
	bare_open(&z->bare, inlined);
	z->bare.resolve = resolve;
	return 0;
}

static void zram_close(struct zram *z)
{
	bare_close(&z->bare);
	ours_close(&z->ours);
	munmap(z->text, z->len);
	munmap(z->mine, z->len);
	munmap(z->arena, 2 * z->len);
	munmap(z->bounce, BLOCK);
	munmap(z->bare.reg, z->len + BLOCK);
	free(z->pages);
	free(z->ns);
	free(z->order);
}

static int measure(struct bench_run *run, bool inlined)
{
	struct zram z;
	int err = zram_open(&z, run, inlined);

	if (err)
		return err;
	for (enum company c = ALONE; c < NR_COMPANY; c++) {
		struct figures f = { 0 };

		if (!company_begin(c))
			continue;
		for (unsigned r = 0; r < rounds(run, 5); r++)
			round_once(&z, inlined, &f);
		company_end();
		if (inlined) {
			at_most(run, "zram-fault-inline-p50", c, "us", 1.3,
				&f.fault);
			continue;
		}
		at_most(run, "zram-fault-threads-p50", c, "us", 1.3, &f.fault);
		at_least(run, "zram-demote", c, "GB/s", 0.8, &f.pack);
	}
	zram_close(&z);
	return 0;
}

static int zram(struct bench_run *run)
{
	int err = measure(run, false);

	return err ? err : measure(run, true);
}

const struct bench bench_zram = {
	"zram",
	"compressed memory against lz4 itself",
	zram,
};
