// SPDX-License-Identifier: MIT
/*
 * Two files with the same data: one is mapped by the library, the other by
 * mmap(2).  Random loads, stores, moves, syncs, writes by others, truncations
 * and new mappings, under a limit on RAM: what is read is equal throughout, and
 * after each sync so are the files.
 */
#include "../file.h"

#define NPAGES 600
#define LIMIT  300
#define LEN    (NPAGES * PAGE)
#define ROUNDS 2500
#define MOST   20000 /* bytes stored or read at once */

static struct uhmm *u;
static struct uhmm_device *dev;
static char *ours, *kernels, *buf, *buf2;
static int fd, fd2;
static size_t size;
static uint64_t seed;

static size_t below(size_t n)
{
	return test_below(&seed, n);
}

static size_t part(size_t *len)
{
	size_t at = below(size);

	*len = 1 + below(MOST);
	if (*len > size - at)
		*len = size - at;
	return at;
}

static void fill_buf(size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)test_random(&seed);
}

static void load(void)
{
	size_t len, start = part(&len);

	CHECK_MEM(ours + start, kernels + start, len);
}

static void store(void)
{
	size_t len, start = part(&len);

	fill_buf(len);
	memcpy(ours + start, buf, len);
	memcpy(kernels + start, buf, len);
}

static void move_some(void)
{
	size_t first = below(NPAGES), n = 1 + below(NPAGES - first);

	CHECK(uhmm_migrate(u, ours + first * PAGE, n * PAGE,
			   below(3) ? dev : NULL) >= 0);
}

static void sync_part(int flags)
{
	size_t first = below(NPAGES), n = 1 + below(NPAGES - first);

	CHECK_EQ(uhmm_file_sync(u, ours + first * PAGE, n * PAGE, flags), 0);
}

static void sync_some(void)
{
	sync_part(below(2) ? MS_SYNC : MS_ASYNC);
}

static void sync_all(void)
{
	CHECK_EQ(uhmm_file_sync(u, ours, LEN, MS_SYNC), 0);
	CHECK_EQ(pread(fd, buf, LEN, 0), (ssize_t)size);
	CHECK_EQ(pread(fd2, buf2, LEN, 0), (ssize_t)size);
	CHECK_MEM(buf, buf2, size);
}

static void map_anew(void)
{
	CHECK_EQ(uhmm_unmap_file(u, ours), 0);
	ours = test_map_file(u, fd, 0, NPAGES, RW);
}

/*
 * A write by another process is seen after a refresh.  Pages that were read
 * are not written over it.
 */
static void write_beside(void)
{
	size_t len, start = part(&len);

	map_anew();
	if (test_sees_writes(u))
		load();
	fill_buf(len);
	CHECK_EQ(pwrite(fd, buf, len, (off_t)start), (ssize_t)len);
	CHECK_EQ(pwrite(fd2, buf, len, (off_t)start), (ssize_t)len);
	sync_all();
	CHECK_EQ(uhmm_file_refresh(u, ours, LEN), 0);
}

static void cut(void)
{
	sync_all();
	size = 1 + below(LEN);
	CHECK_EQ(ftruncate(fd, (off_t)size), 0);
	CHECK_EQ(ftruncate(fd2, (off_t)size), 0);
	CHECK_EQ(uhmm_file_refresh(u, ours, LEN), 0);
}

static void step(void)
{
	switch (below(40)) {
	case 0:
		sync_all();
		break;
	case 1:
		write_beside();
		break;
	case 2:
		cut();
		break;
	case 3:
		map_anew();
		break;
	case 4 ... 6:
		sync_some();
		break;
	case 7 ... 12:
		move_some();
		break;
	case 13 ... 25:
		store();
		break;
	default:
		load();
	}
}

int main(void)
{
	struct uhmm_params params = { .ram_limit = LIMIT * PAGE };
	long rounds = test_is_soak() ? 400000 : ROUNDS;

	seed = test_seed();
	u = test_open_with(params);
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device(u, "ram:16M");
	fd = test_file(NPAGES, 1);
	fd2 = test_file(NPAGES, 1);
	size = LEN;
	buf = malloc(LEN);
	buf2 = malloc(LEN);
	CHECK(buf && buf2);
	ours = test_map_file(u, fd, 0, NPAGES, RW);
	kernels = mmap(NULL, LEN, RW, MAP_SHARED, fd2, 0);
	CHECK(kernels != MAP_FAILED);
	while (rounds--)
		step();
	sync_all();
	CHECK_EQ(uhmm_unmap_file(u, ours), 0);
	test_close(u);
	return 0;
}
