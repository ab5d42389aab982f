// SPDX-License-Identifier: MIT
/*
 * Data in a file come back.  A file that is not meant to be written is left
 * alone.  A file that is not there any more is an error, never other data.
 * Pages that follow each other in the file go with few calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provider.h"

#define PAGE	    ((size_t)4096)
#define NPAGES	    2048
#define RUN	    64
#define NR_THREADS  4
#define ROUNDS	    300
#define EXIT_LOST   125
#define PATH_LENGTH 128

static char folder[] = "/var/tmp/uhmm-file-XXXXXX";
static char path[PATH_LENGTH], path_value[PATH_LENGTH],
	folder_value[PATH_LENGTH];

static void fill(unsigned char *page, uint64_t id)
{
	for (size_t i = 0; i < PAGE; i += sizeof(id))
		memcpy(page + i, &id, sizeof(id));
}

static void *pages(size_t n)
{
	void *p = uhmm_provider_alloc(n * PAGE);

	CHECK(p);
	return p;
}

static int try_open(const char *const *pairs, uint64_t npages)
{
	const struct uhmm_provider *p = find_provider("file");
	struct test_device d = { .desc = { .size = sizeof(d.desc),
					   .npages = npages } };
	const char *values[16];
	int err;

	fill_values(p, pairs, values);
	err = p->open(values, &d.desc, &d.priv);
	if (!err)
		close_provider(&d);
	return err;
}

static uint64_t blocks(void)
{
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static bool exists(void)
{
	return access(path, F_OK) == 0;
}

/* ---- Data ---- */

static void put_all(const struct test_device *d, unsigned char *buf)
{
	for (uint64_t first = 0; first < NPAGES; first += RUN) {
		for (size_t i = 0; i < RUN; i++)
			fill(buf + i * PAGE, first + i + 1);
		CHECK_EQ(put_pages(d, first, buf, RUN), 0);
	}
}

static void get_all(const struct test_device *d, unsigned char *buf)
{
	unsigned char want[PAGE];

	for (uint64_t first = 0; first < NPAGES; first += RUN) {
		CHECK_EQ(get_pages(d, first, buf, RUN), 0);
		for (size_t i = 0; i < RUN; i++) {
			fill(want, first + i + 1);
			CHECK_MEM(buf + i * PAGE, want, PAGE);
		}
	}
}

static void test_data(const char *direct)
{
	struct test_device d = open_provider(
		"file", NPAGES, PAIRS(path_value, "keep=yes", direct));
	unsigned char *buf = pages(RUN);

	put_all(&d, buf);
	get_all(&d, buf);
	CHECK_EQ(d.desc.ops->stored(d.priv), NPAGES * PAGE);
	CHECK(blocks() >= NPAGES * PAGE);
	d.desc.ops->page_free(d.priv, 0, NPAGES);
	CHECK_EQ(d.desc.ops->stored(d.priv), 0);
	CHECK(blocks() < PAGE * RUN);
	CHECK_EQ(get_pages(&d, 0, buf, 1), -EIO);
	close_provider(&d);
	CHECK(exists());
	CHECK_EQ(unlink(path), 0);
	uhmm_provider_free(buf, RUN * PAGE);
}

/* ---- Threads that free the chunk that others write to ---- */

static struct test_device shared;

static void *worker(void *arg)
{
	uint64_t rng = (uintptr_t)arg, id = rng << 32, own[RUN / NR_THREADS];
	unsigned char *page = pages(1), want[PAGE];

	memset(own, 0, sizeof(own));
	for (int i = 0; i < ROUNDS; i++) {
		size_t slot = test_below(&rng, RUN / NR_THREADS);
		uint64_t dpfn = slot * NR_THREADS + (uintptr_t)arg;

		if (own[slot]) {
			CHECK_EQ(get_pages(&shared, dpfn, page, 1), 0);
			fill(want, own[slot]);
			CHECK_MEM(page, want, PAGE);
			shared.desc.ops->page_free(shared.priv, dpfn, 1);
			own[slot] = 0;
		} else if (test_below(&rng, RUN / NR_THREADS) < 2) {
			own[slot] = ++id;
			fill(page, id);
			CHECK_EQ(put_pages(&shared, dpfn, page, 1), 0);
		}
	}
	uhmm_provider_free(page, PAGE);
	return NULL;
}

static void test_threads(void)
{
	shared = open_provider("file", RUN, PAIRS(folder_value));
	CHECK(shared.desc.flags & UHMM_DEVICE_CONCURRENT);
	run_workers(worker, NR_THREADS);
	close_provider(&shared);
}

/* ---- Pages that are apart in RAM ---- */

#define PARTS 300

/* System calls that read and write; 0 where the kernel does not count them. */
static uint64_t nr_calls(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	unsigned long reads = 0, writes = 0;
	char line[80];

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "syscr: %lu", &reads);
		sscanf(line, "syscw: %lu", &writes);
	}
	if (f)
		fclose(f);
	return reads + writes;
}

/* Every second page of @buf, in runs of 1 and 2 pages; dpfns from @first on. */
static size_t apart(struct uhmm_segment *seg, unsigned char *buf,
		    uint64_t first)
{
	uint64_t dpfn = first;

	for (size_t i = 0; i < PARTS; i++) {
		seg[i].dpfn = dpfn;
		seg[i].ram = buf + 3 * i * PAGE;
		seg[i].npages = 1 + i % 2;
		dpfn += seg[i].npages;
	}
	return (size_t)(dpfn - first);
}

static void test_apart(const char *direct)
{
	struct test_device d =
		open_provider("file", NPAGES, PAIRS(folder_value, direct));
	struct uhmm_segment seg[PARTS];
	unsigned char *buf = pages(3 * PARTS), *whole = pages(2 * PARTS),
		      want[PAGE];
	size_t n = apart(seg, buf, 100);
	uint64_t before, counting = nr_calls();

	for (size_t i = 0; i < PARTS; i++)
		for (size_t k = 0; k < seg[i].npages; k++)
			fill((unsigned char *)seg[i].ram + k * PAGE,
			     seg[i].dpfn + k);
	before = nr_calls();
	CHECK_EQ(d.desc.ops->copy_to_devmem(d.priv, seg, PARTS), 0);
	/* and what reading the counter takes */
	CHECK(!counting || nr_calls() - before <= 3 + before - counting);
	CHECK_EQ(get_pages(&d, 100, whole, n), 0);
	for (size_t k = 0; k < n; k++) {
		fill(want, 100 + k);
		CHECK_MEM(whole + k * PAGE, want, PAGE);
	}
	memset(buf, 0, 3 * PARTS * PAGE);
	before = nr_calls();
	CHECK_EQ(d.desc.ops->copy_to_ram(d.priv, seg, PARTS), 0);
	CHECK(!counting || nr_calls() - before <= 3 + before - counting);
	for (size_t k = 0; k < 2; k++) {
		fill(want, seg[PARTS - 1].dpfn + k);
		CHECK_MEM((unsigned char *)seg[PARTS - 1].ram + k * PAGE, want,
			  PAGE);
	}
	fill(want, seg[6].dpfn);
	CHECK_MEM(seg[6].ram, want, PAGE);
	uhmm_provider_free(buf, 3 * PARTS * PAGE);
	uhmm_provider_free(whole, 2 * PARTS * PAGE);
	close_provider(&d);
}

/*
 * Pages that are near each other in the file, in any order: a read passes over
 * those between, and does not change memory beside its segments.
 */
static void test_near(void)
{
	struct test_device d =
		open_provider("file", NPAGES, PAIRS(folder_value));
	unsigned char *buf = pages(RUN), *got = pages(PARTS), want[PAGE];
	struct uhmm_segment seg[PARTS];
	uint64_t seed = test_seed(), before, counting = nr_calls();

	put_all(&d, buf);
	for (size_t i = 0; i < PARTS; i++) {
		size_t k = test_below(&seed, i + 1);

		seg[i] = seg[k];
		seg[k] = (struct uhmm_segment){ i * 3, got + i * PAGE, 1 };
	}
	before = nr_calls();
	CHECK_EQ(d.desc.ops->copy_to_ram(d.priv, seg, PARTS), 0);
	CHECK(!counting || nr_calls() - before <= PARTS / 50 + 10);
	for (size_t i = 0; i < PARTS; i++) {
		fill(want, i * 3 + 1);
		CHECK_MEM(got + i * PAGE, want, PAGE);
	}
	d.desc.ops->page_free(d.priv, 3 * (PARTS / 2), 1);
	CHECK_EQ(d.desc.ops->copy_to_ram(d.priv, seg, PARTS), -EIO);
	uhmm_provider_free(buf, RUN * PAGE);
	uhmm_provider_free(got, PARTS * PAGE);
	close_provider(&d);
}

/* ---- What is refused ---- */

static void test_names(void)
{
	struct test_device d = open_provider("file", 16, PAIRS(path_value));
	FILE *file;

	CHECK(!exists());
	close_provider(&d);
	file = fopen(path, "w");
	CHECK(file && fputs("precious", file) >= 0 && !fclose(file));
	CHECK_EQ(try_open(PAIRS(path_value), 16), -EEXIST);
	CHECK_EQ(try_open(PAIRS("path=/dev/null", "overwrite=yes"), 16),
		 -ENXIO);
	CHECK_EQ(try_open(PAIRS("path="), 16), -EINVAL);
	CHECK_EQ(try_open(PAIRS(folder_value, "keep=maybe"), 16), -EINVAL);
	CHECK_EQ(try_open(PAIRS(folder_value), 0), -EINVAL);
	CHECK_EQ(try_open(PAIRS("path=/nowhere/at/all"), 16), -ENOENT);
	d = open_provider("file", 16, PAIRS(path_value, "overwrite=yes"));
	CHECK_EQ(try_open(PAIRS(path_value, "overwrite=yes"), 16), -EBUSY);
	close_provider(&d);
	CHECK_EQ(try_open(PAIRS(path_value, "overwrite=yes"), 0), 0);
	CHECK_EQ(unlink(path), 0);
}

/* No SIGXFSZ. */
static void test_limit(void)
{
	struct rlimit old, limit;
	struct test_device d = open_provider("file", 16, PAIRS(folder_value));
	unsigned char *page = pages(1);

	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 8 * PAGE;
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_EQ(put_pages(&d, 7, page, 1), 0);
	CHECK_EQ(put_pages(&d, 8, page, 1), -ENOSPC);
	CHECK_EQ(try_open(PAIRS(folder_value), 16), -EFBIG);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_EQ(put_pages(&d, 8, page, 1), 0);
	close_provider(&d);
	uhmm_provider_free(page, PAGE);
}

/* Another file in its place: the process ends, and nothing is read of it. */
static void replace(void)
{
	struct test_device d = open_provider("file", 16, PAIRS(folder_value));
	int fd = uhmm_fd_next(0), other = open("/dev/zero", O_RDWR | O_CLOEXEC);
	unsigned char *page = pages(1);

	fill(page, 1);
	CHECK_EQ(put_pages(&d, 1, page, 1), 0);
	CHECK(fd >= 0 && other >= 0 && dup2(other, fd) == fd);
	get_pages(&d, 1, page, 1);
	_exit(1);
}

static void test_replaced(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		replace();
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LOST);
}

int main(void)
{
	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/device", folder);
	snprintf(path_value, sizeof(path_value), "path=%s/device", folder);
	snprintf(folder_value, sizeof(folder_value), "path=%s", folder);
	test_data("direct=auto");
	test_data("direct=no");
	test_apart("direct=auto");
	test_apart("direct=no");
	test_near();
	test_threads();
	test_names();
	test_limit();
	test_replaced();
	CHECK_EQ(rmdir(folder), 0);
	return 0;
}
