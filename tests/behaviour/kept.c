// SPDX-License-Identifier: MIT
/*
 * A page that a device has not written to comes home without a copy, and one
 * that it has written to with what it wrote: by a migration, by touches in any
 * order, whole and in parts, and whatever the application does in between.
 * Without frames that can move, and under a limit on RAM, all are copied.
 */
#include <sys/wait.h>

#include "../mirror.h"

#define N 1200

static struct test_ops ops;
static struct test_table table;
static struct uhmm *u;
static struct uhmm_device *dev;
static char *p;
static bool keeps; /* this rung does */

/* All of it is the device's, and was filled with @seed. */
static void away(uint64_t seed)
{
	test_fill(p, N, seed);
	test_move(u, p, N, dev);
	CHECK_EQ(test_stats(u).kept_pages, keeps ? N : 0);
	atomic_store(&ops.out, 0);
	/* it is only read: no entry says that it may be written to */
	test_fault(&table, p, N, UHMM_FAULT_PRESENT);
	CHECK_EQ(test_entries(&table, p, N, UHMM_PFN_VALID), N);
	CHECK_EQ(test_entries(&table, p, N, UHMM_PFN_WRITE), keeps ? 0 : N);
	CHECK_EQ(test_stats(u).kept_pages, keeps ? N : 0);
}

static uint64_t unwritten(void)
{
	return test_stats(u).unwritten;
}

/* The device writes @value to @n pages, by the entries it has got. */
static void device_writes(size_t first, size_t n, char value)
{
	test_fault(&table, p + first * PAGE, n, UHMM_FAULT_WRITE);
	for (size_t i = first; i < first + n; i++) {
		uhmm_pfn_t pfn = test_entry(&table, p + i * PAGE);

		CHECK_EQ(uhmm_pfn_device(pfn), test_info(dev).id);
		CHECK(pfn & UHMM_PFN_WRITE);
		memset(ops.pages + uhmm_pfn_dpfn(pfn) * PAGE, value, PAGE);
	}
}

static void check_written(size_t first, size_t n, char value)
{
	for (size_t i = first * PAGE; i < (first + n) * PAGE; i++)
		CHECK_EQ(((volatile char *)p)[i], value);
}

static void check_home(void)
{
	/* a handler wakes the waiters before it updates the counts */
	CHECK_SOON(test_info(dev).used == 0);
	CHECK_SOON(test_stats(u).kept_pages == 0);
	CHECK_EQ(test_entries(&table, p, N, UHMM_PFN_VALID), 0);
}

/* ---- Only read ---- */

static void test_migrate(void)
{
	uint64_t before = unwritten(), copied = test_stats(u).to_ram;

	away(1);
	test_move(u, p, N, NULL);
	CHECK_EQ(atomic_load(&ops.out) == 0, keeps);
	CHECK_EQ(unwritten() - before, keeps ? N : 0);
	CHECK_EQ(test_stats(u).to_ram - copied, keeps ? 0 : N);
	check_home();
	test_verify(p, N, 1);
}

static void test_touch(void)
{
	uint64_t before = unwritten();

	away(2);
	test_verify(p, N, 2); /* a stream */
	check_home();
	CHECK_EQ(unwritten() - before, keeps ? N : 0);
	away(3);
	for (size_t i = N; i--;) /* backwards it is none */
		CHECK_EQ(((volatile uint64_t *)p)[i * PAGE_WORDS],
			 test_word(3, i * PAGE_WORDS));
	check_home();
	CHECK_EQ(unwritten() - before, keeps ? 2 * N : 0);
	CHECK_EQ(atomic_load(&ops.out) == 0, keeps);
	test_verify(p, N, 3);
}

/* The CPU writes to half of the pages: the next move takes the written data. */
static void test_again(void)
{
	away(4);
	for (size_t i = 0; i < N; i += 2)
		p[i * PAGE] = 7;
	test_move(u, p, N, dev);
	CHECK_EQ(test_stats(u).kept_pages, keeps ? N : 0);
	for (size_t i = 0; i < N; i += 2)
		CHECK_EQ(((volatile char *)p)[i * PAGE], 7);
	test_move(u, p, N, NULL);
	check_home();
}

/* ---- Written ---- */

static void test_write(void)
{
	uint64_t before = unwritten();

	away(5);
	device_writes(100, 50, 'w');
	device_writes(700, 1, 'x');
	CHECK_EQ(test_stats(u).kept_pages, keeps ? N - 51 : 0);
	test_move(u, p, N, NULL);
	CHECK_EQ(unwritten() - before, keeps ? N - 51 : 0);
	CHECK(atomic_load(&ops.out) > 0);
	check_home();
	check_written(100, 50, 'w');
	check_written(700, 1, 'x');
	test_verify(p, 100, 5);
}

/* Few of many, touched one after the other. */
static void test_write_touch(void)
{
	away(6);
	for (size_t i = 0; i < N; i += 5)
		device_writes(i, 2, (char)i);
	for (size_t i = 0; i < N; i += 5) {
		check_written(i, 2, (char)i);
		CHECK_EQ(((volatile uint64_t *)p)[(i + 2) * PAGE_WORDS],
			 test_word(6, (i + 2) * PAGE_WORDS));
	}
	test_move(u, p, N, NULL);
	check_home();
}

static void test_all_written(void)
{
	uint64_t before = unwritten();

	away(7);
	device_writes(0, N, 'a');
	CHECK_EQ(test_stats(u).kept_pages, 0);
	test_move(u, p, N, NULL);
	CHECK_EQ(unwritten(), before);
	check_written(0, N, 'a');
	check_home();
}

/* ---- What the application does ---- */

static void test_parts(void)
{
	away(8);
	test_move(u, p + 10 * PAGE, 600, NULL);
	CHECK_EQ(test_stats(u).kept_pages, keeps ? N - 600 : 0);
	memset(p + 10 * PAGE, 'p', 600 * PAGE);
	test_move(u, p + 10 * PAGE, 600, dev);
	test_move(u, p, N, NULL);
	check_written(10, 600, 'p');
	test_verify(p, 10, 8);
	check_home();
}

static void test_discard(void)
{
	away(9);
	CHECK_EQ(madvise(p + 5 * PAGE, 800 * PAGE, MADV_DONTNEED), 0);
	test_verify_zero(p + 5 * PAGE, 800);
	test_verify(p, 5, 9);
	memset(p + 5 * PAGE, 'd', PAGE);
	test_move(u, p, N, dev);
	check_written(5, 1, 'd');
	test_verify_zero(p + 6 * PAGE, 799);
	test_move(u, p, N, NULL);
	check_home();
}

static void test_unmap(void)
{
	away(10);
	CHECK_EQ(munmap(p + 100 * PAGE, 1000 * PAGE), 0);
	CHECK(mmap(p + 100 * PAGE, 1000 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p + 100 * PAGE);
	CHECK_SOON(test_info(dev).used == N - 1000);
	CHECK_SOON(test_stats(u).kept_pages == (keeps ? N - 1000 : 0));
	test_verify_zero(p + 100 * PAGE, 1000);
	test_verify(p, 100, 10);
	test_move(u, p, N, dev);
	test_move(u, p, N, NULL);
	test_verify(p, 100, 10);
	test_verify_zero(p + 100 * PAGE, 1000);
	check_home();
}

static void test_remap(void)
{
	char *to = test_map_blocks(3);

	away(11);
	CHECK(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to) == to);
	test_verify(to, N, 11);
	CHECK(mremap(to, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     p) == p);
	test_verify(p, N, 11);
	check_home();
}

static void test_fork(void)
{
	int status;
	pid_t pid;

	away(12);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, N, 12);
		memset(p, 'c', N * PAGE);
		_exit(0);
	}
	test_verify(p, N, 12);
	memset(p, 'f', PAGE);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	check_written(0, 1, 'f');
	CHECK_EQ(test_stats(u).kept_pages, 0);
}

/* Frames are RAM: those there are go when it is limited, and no new ones. */
static void test_limit(void)
{
	uint64_t before = unwritten();

	away(13);
	CHECK_EQ(uhmm_set_ram_limit(u, 64 << 20), 0);
	CHECK_EQ(test_stats(u).kept_pages, 0);
	test_verify(p, N, 13);
	test_move(u, p, N, dev);
	CHECK_EQ(test_stats(u).kept_pages, 0);
	test_move(u, p, N, NULL);
	test_verify(p, N, 13);
	CHECK_EQ(unwritten(), before);
	CHECK_EQ(uhmm_set_ram_limit(u, 0), 0);
}

/* ---- Lost ---- */

/* With kept frames a lost device loses only the pages that it wrote to. */
static void test_lost(void)
{
	test_fill(p, N, 14);
	test_move(u, p, N, dev);
	device_writes(30, 5, 'l');
	CHECK_EQ(uhmm_device_lost(dev), 0);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(test_read_raises(p + i * PAGE),
			 keeps && (i < 30 || i >= 35) ? 0 : SIGBUS);
	if (keeps)
		test_verify(p, 30, 14);
	CHECK_EQ(munmap(p, N * PAGE), 0);
	CHECK_SOON(test_stats(u).kept_pages == 0);
}

int main(void)
{
	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	keeps = test_has(u, "move");
	dev = test_device_named(u, &ops, 2 * N, "kept",
				UHMM_DEVICE_CONCURRENT |
					UHMM_DEVICE_TELLS_WRITES);
	p = test_map_blocks(3);
	test_mirror(u, &table, p, dev);
	test_migrate();
	test_touch();
	test_again();
	test_write();
	test_write_touch();
	test_all_written();
	test_parts();
	test_discard();
	test_remap(); /* as one mapping, which unmapping ends */
	test_unmap();
	test_fork();
	test_limit();
	test_lost();
	test_close(u);
	return 0;
}
