// SPDX-License-Identifier: MIT
/*
 * The program moves its one mapping, a part of which is managed: it is one
 * mapping for mremap(2) still, which makes it longer and moves it, whatever is
 * on a device.  Where that cannot be, the call fails before anything has moved.
 */
#include <pthread.h>
#include <uhmm/charge.h>

#include "../context.h"

#define SIZE (4 * BLOCK)
#define NALL (SIZE / PAGE)

static struct uhmm *u;
static struct uhmm_device *dev;
static bool is_served; /* faults of system calls are */

/* A mapping with unmapped addresses around it. */
static char *map_apart(size_t size)
{
	char *p = test_map_blocks(size / BLOCK + 2);

	CHECK_EQ(munmap(p, BLOCK), 0);
	CHECK_EQ(munmap(p + BLOCK + size, BLOCK), 0);
	return p + BLOCK;
}

static void migrate(char *p, size_t npages)
{
	test_move(u, p, npages, dev);
}

static void manage(char *p, size_t npages)
{
	CHECK_EQ(uhmm_register(u, p, npages * PAGE), 0);
	test_move(u, p, npages, dev);
}

static void pin(char *p, size_t npages)
{
	CHECK_EQ(uhmm_pin(u, p, npages * PAGE), 0);
}

static void charge(char *p, size_t npages)
{
	static struct uhmm_group *g;

	if (!g)
		CHECK_EQ(uhmm_group_create(u, uhmm_group_root(u), "g", &g), 0);
	CHECK_EQ(uhmm_charge(u, p, npages * PAGE, g), 0);
	test_move(u, p, npages, dev);
}

/* Nor is any of it at @to. */
static void refused(char *p, char *to, size_t npages)
{
	CHECK(mremap(p, npages * PAGE, 2 * npages * PAGE, MREMAP_MAYMOVE) ==
	      MAP_FAILED);
	CHECK_EQ(errno, EFAULT);
	CHECK(mremap(p, npages * PAGE, npages * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED);
	CHECK_EQ(errno, EFAULT);
	test_verify(p, npages, 1);
	test_verify_zero(to, npages);
}

static void move_part(void (*how)(char *p, size_t npages), size_t first,
		      size_t npages)
{
	char *p = map_apart(SIZE), *to = map_apart(2 * SIZE);

	test_fill(p, NALL, 1);
	how(p + first * PAGE, npages);
	p = mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	test_verify(p, 1, 1);
	CHECK(mremap(p, 2 * SIZE, 2 * SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to) == to);
	test_verify(to, NALL, 1);
	test_verify_zero(to + SIZE, NALL);
	CHECK_EQ(munmap(to, 2 * SIZE), 0);
	CHECK_EQ(test_info(dev).used, 0);
}

static void move_all(char *p, char *to, size_t size)
{
	CHECK(mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_EQ(munmap(to, size), 0);
}

/* Managed no more, wholly or in part. */
static void forget_part(size_t first, size_t npages)
{
	char *p = map_apart(SIZE), *to = map_apart(SIZE);

	test_fill(p, NALL, 1);
	migrate(p, NALL);
	CHECK_EQ(uhmm_unregister(u, p + first * PAGE, npages * PAGE), 0);
	if (!is_served && npages < NALL)
		refused(p, to, NALL);
	else
		move_all(p, to, SIZE);
}

/* Little of it is in use. */
static void move_large(void)
{
	const size_t size = 100 * BLOCK;
	char *p = map_apart(size), *to = map_apart(size);

	test_fill(p + 50 * BLOCK, NALL, 1);
	migrate(p + 50 * BLOCK, NALL);
	if (!is_served) {
		CHECK(mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to) == MAP_FAILED);
		CHECK_EQ(errno, EFAULT);
		test_verify(p + 50 * BLOCK, NALL, 1);
		return;
	}
	CHECK(mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	test_verify(to + 50 * BLOCK, NALL, 1);
	test_verify_zero(to, NALL);
	test_verify_zero(to + 99 * BLOCK, BLOCK / PAGE);
	CHECK_EQ(munmap(to, size), 0);
}

/* What is beside the managed part is good for a system call, used or not. */
static void call_beside(void)
{
	char *p = map_apart(SIZE);
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	test_fill(p, BLOCK / PAGE, 1);
	test_move(u, p, 1, dev);
	for (size_t i = 1; i < 4; i++) {
		CHECK_EQ(write(fd[1], "u", 1), 1);
		CHECK_EQ(read(fd[0], p + i * BLOCK, 1), 1);
		CHECK_EQ(p[i * BLOCK], 'u');
		CHECK_EQ(madvise(p + i * BLOCK, BLOCK, MADV_DONTNEED), 0);
		test_verify_zero(p + i * BLOCK, 1);
		uhmm_migrate(u, p, PAGE, NULL); /* the event is applied */
		CHECK_EQ(write(fd[1], "h", 1), 1);
		CHECK_EQ(read(fd[0], p + i * BLOCK + PAGE, 1), 1);
	}
	close(fd[0]);
	close(fd[1]);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void *use_stack(void *arg)
{
	volatile char deep[BLOCK / 2];

	(void)arg;
	for (size_t i = sizeof(deep); i >= PAGE; i -= PAGE)
		deep[i - PAGE] = 1;
	return NULL;
}

/* A stack of which little was used, and no other one for signals. */
static void stack_beside(bool guarded)
{
	char *p = map_apart(SIZE);
	pthread_attr_t attr;
	pthread_t t;

	if (guarded)
		CHECK_EQ(mprotect(p, PAGE, PROT_NONE), 0);
	test_fill(p + 2 * BLOCK, 8, 1);
	test_move(u, p + 2 * BLOCK, 8, dev);
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstack(&attr, p + PAGE, BLOCK - PAGE), 0);
	CHECK_EQ(pthread_create(&t, &attr, use_stack, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	test_verify(p + 2 * BLOCK, 8, 1);
	CHECK_EQ(munmap(p, SIZE), 0);
}

int main(void)
{
	u = test_open();
	is_served = !test_mode_is("inline") && test_has(u, "kernel-faults");
	dev = test_device(u, "ram:16M");
	move_part(migrate, BLOCK / PAGE, BLOCK / PAGE);
	move_part(migrate, 0, BLOCK / PAGE);
	move_part(migrate, BLOCK / PAGE + 16, 1);
	move_part(migrate, NALL - 1, 1);
	move_part(manage, BLOCK / PAGE + 16, 40);
	move_part(manage, NALL - 1, 1);
	move_part(pin, 100, 40);
	move_part(charge, BLOCK / PAGE, BLOCK / PAGE);
	forget_part(0, BLOCK / PAGE);
	forget_part(BLOCK / PAGE, BLOCK / PAGE);
	forget_part(NALL - 8, 8);
	forget_part(0, NALL);
	move_large();
	call_beside();
	stack_beside(false);
	stack_beside(true);
	test_close(u);
	return 0;
}
