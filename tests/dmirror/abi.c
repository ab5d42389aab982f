/* SPDX-License-Identifier: MIT */
/*
 * abi.c - what the kernel's selftests do not ask of their driver: wrong
 * arguments, several files on a device, forked files, and changes of the
 * address space between two operations.  Run with the shim preloaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "uapi.h"

#define PAGE	((size_t)4096)
#define NPAGES	((size_t)64)
#define SIZE	(NPAGES * PAGE)
#define WORDS	(SIZE / sizeof(uint32_t))
#define PRIVATE "/dev/hmm_dmirror0"
#define OTHER	"/dev/hmm_dmirror1"

static uint32_t mirror[WORDS];
static struct dmirror_cmd last;

static int dev_open(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		puts("skipped: no userfaultfd for us");
		exit(TEST_SKIPPED);
	}
	CHECK(fd >= 0);
	return fd;
}

/* 0 or -errno; what comes back is in @last. */
static int dev_do(int fd, unsigned long request, void *addr, size_t npages)
{
	last = (struct dmirror_cmd){ .addr = (uintptr_t)addr,
				     .ptr = (uintptr_t)mirror,
				     .npages = npages,
				     .cpages = 77,
				     .faults = 77 };
	return ioctl(fd, request, &last) ? -errno : 0;
}

static uint32_t *map(void)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void fill(uint32_t *p, uint32_t seed)
{
	for (uint32_t i = 0; i < WORDS; i++)
		p[i] = seed + i;
}

static bool has(const uint32_t *p, uint32_t seed)
{
	for (uint32_t i = 0; i < WORDS; i++)
		if (p[i] != seed + i)
			return false;
	return true;
}

static void snapshot(int fd, const void *p, unsigned char *ret)
{
	CHECK_EQ(dev_do(fd, DMIRROR_SNAPSHOT, (void *)p, NPAGES), 0);
	CHECK_EQ(last.cpages, NPAGES);
	memcpy(ret, mirror, NPAGES);
}

static void check_all(int fd, const void *p, unsigned char byte)
{
	unsigned char bytes[NPAGES];

	snapshot(fd, p, bytes);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(bytes[i], byte);
}

/* Nothing comes back from an operation that fails. */
static void wrong_arguments(void)
{
	int fd = dev_open(PRIVATE);
	uint32_t *p = map();

	CHECK_EQ(dev_do(fd, DMIRROR_READ, (char *)p + 1, 1), -EINVAL);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, 0), -EINVAL);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, UINT64_MAX / PAGE), -EINVAL);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, SIZE_MAX), -EINVAL);
	CHECK_EQ(dev_do(fd, _IOWR('H', 99, struct dmirror_cmd), p, 1), -EINVAL);
	CHECK_EQ(last.cpages, 77);
	CHECK_EQ(last.faults, 77);
	CHECK(ioctl(fd, DMIRROR_READ, NULL) == -1 && errno == EFAULT);
	last = (struct dmirror_cmd){ .addr = (uintptr_t)p, .npages = 1 };
	CHECK(ioctl(fd, DMIRROR_READ, &last) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, DMIRROR_WRITE, &last) == -1 && errno == EFAULT);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(close(fd), 0);
	CHECK(ioctl(fd, DMIRROR_READ, &last) == -1 && errno == EBADF);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void wrong_paths(void)
{
	CHECK(open("/dev/hmm_dmirror", O_RDWR) == -1 && errno == ENOENT);
	CHECK(open("/dev/hmm_dmirror4", O_RDWR) == -1 && errno == ENOENT);
	CHECK(open("/dev/hmm_dmirror00", O_RDWR) == -1 && errno == ENOENT);
}

static void holes(void)
{
	int fd = dev_open(PRIVATE);
	uint32_t *p = map();

	fill(p, 1);
	fill(mirror, 5);
	CHECK_EQ(munmap((char *)p + SIZE / 2, PAGE), 0);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), -EFAULT);
	CHECK(has(mirror, 5));
	CHECK_EQ(dev_do(fd, DMIRROR_WRITE, p, NPAGES), -EFAULT);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), -EINVAL);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_SYS, p, NPAGES), -EINVAL);
	CHECK_EQ(dev_do(fd, DMIRROR_EXCLUSIVE, p, NPAGES), -EBUSY);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

/* A page on the device stays there when the device writes. */
static void write_on_device(void)
{
	int fd = dev_open(PRIVATE);
	uint32_t *p = map();

	fill(p, 1);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	CHECK(has(mirror, 1));
	fill(mirror, 2);
	CHECK_EQ(dev_do(fd, DMIRROR_WRITE, p, NPAGES), 0);
	CHECK_EQ(last.faults, 0);
	check_all(fd, p, PROT_BYTE_PRIVATE_LOCAL | PROT_BYTE_WRITE);
	CHECK(has(p, 2));
	check_all(fd, p, PROT_BYTE_WRITE);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK_EQ(last.faults, 1);
	CHECK(has(mirror, 2));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void to_system(void)
{
	int fd = dev_open(PRIVATE), other = dev_open(OTHER);
	uint32_t *p = map();

	fill(p, 1);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES / 2), 0);
	CHECK_EQ(dev_do(other, DMIRROR_TO_SYS, p, NPAGES), 0);
	CHECK_EQ(last.cpages, 0);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_SYS, p, NPAGES), 0);
	CHECK_EQ(last.cpages, NPAGES / 2);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_SYS, p, NPAGES), 0);
	CHECK_EQ(last.cpages, 0);
	CHECK(has(p, 1));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close(other), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

/* Closing one file brings home what another one moved to the device. */
static void two_files(void)
{
	int fd = dev_open(PRIVATE), again = dev_open(PRIVATE);
	uint32_t *p = map();

	fill(p, 3);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	CHECK_EQ(dev_do(again, DMIRROR_READ, p, NPAGES), 0);
	CHECK(has(mirror, 3));
	check_all(again, p, PROT_BYTE_PRIVATE_LOCAL | PROT_BYTE_WRITE);
	CHECK_EQ(close(again), 0);
	check_all(fd, p, PROT_BYTE_WRITE);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK(has(mirror, 3));
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	CHECK_EQ(dev_do(fd, DMIRROR_RELEASE, p, NPAGES), 0);
	check_all(fd, p, PROT_BYTE_WRITE);
	CHECK(has(p, 3));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void too_many_files(void)
{
	int fd[17], n = 0;

	while (n < 17 && (fd[n] = open(PRIVATE, O_RDWR)) >= 0)
		n++;
	CHECK(n < 17 && errno == EMFILE);
	while (n--)
		CHECK_EQ(close(fd[n]), 0);
}

/* The child's copy of a file is none; the parent's is not the worse for it. */
static void forked(void)
{
	int fd = dev_open(PRIVATE), status;
	uint32_t *p = map();
	pid_t pid;

	fill(p, 4);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	pid = fork();
	if (!pid) {
		CHECK(dev_do(fd, DMIRROR_READ, p, NPAGES) < 0);
		CHECK_EQ(close(fd), 0);
		fd = dev_open(PRIVATE);
		fill(p, 4); /* uhmm does not move what a fork left shared */
		CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
		CHECK(has(mirror, 4));
		CHECK(has(p, 4));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK(has(mirror, 4));
	CHECK(has(p, 4));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void discarded(void)
{
	int fd = dev_open(PRIVATE);
	uint32_t *p = map();

	fill(p, 1);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK_EQ(madvise(p, SIZE, MADV_DONTNEED), 0);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK_EQ(last.faults, 1);
	CHECK(!mirror[0] && !mirror[WORDS - 1]);
	fill(p, 1);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	CHECK_EQ(madvise(p, SIZE, MADV_DONTNEED), 0);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK(!mirror[0] && !mirror[WORDS - 1]);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void remapped(void)
{
	int fd = dev_open(PRIVATE);
	uint32_t *p = map(), *to = map(), *q;

	fill(p, 6);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	q = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(q == to);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), -EFAULT);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, q, NPAGES), 0);
	CHECK(has(mirror, 6));
	CHECK(has(q, 6));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(q, SIZE), 0);
}

static void replaced(void)
{
	int fd = dev_open(PRIVATE);
	uint32_t *p = map();

	fill(p, 7);
	CHECK_EQ(dev_do(fd, DMIRROR_TO_DEV, p, NPAGES), 0);
	CHECK(mmap(p, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0) == p);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK(!mirror[0] && !mirror[WORDS - 1]);
	CHECK_EQ(dev_do(fd, DMIRROR_WRITE, p, NPAGES), -EPERM);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

static void device_memory(void)
{
	int fd = dev_open(PRIVATE);
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *q = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	p[0] = 1;
	CHECK_EQ(q[0], 0);
	CHECK_EQ(dev_do(fd, DMIRROR_READ, p, NPAGES), 0);
	CHECK_EQ(mirror[0], 1);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
	CHECK_EQ(munmap(q, SIZE), 0);
}

/* ---- The device reads while the CPU changes permissions ---- */

static atomic_bool stop;

static void *toggle(void *p)
{
	for (int i = 0; !stop; i++)
		CHECK_EQ(mprotect(p, SIZE,
				  i % 2 ? PROT_READ | PROT_WRITE : PROT_READ),
			 0);
	return NULL;
}

static void racing(void)
{
	int fd = dev_open(PRIVATE), refused = 0, done = 0;
	uint32_t *p = map();
	pthread_t thread;

	fill(p, 8);
	CHECK_EQ(pthread_create(&thread, NULL, toggle, p), 0);
	for (int i = 0; i < 500; i++) {
		int err;

		fill(mirror, 8);
		err = dev_do(fd, i % 2 ? DMIRROR_WRITE : DMIRROR_READ, p,
			     NPAGES);
		CHECK(!err || err == -EPERM || err == -EBUSY);
		CHECK(i % 2 || !err);
		done += !err;
		refused += err == -EPERM;
	}
	stop = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(has(p, 8));
	printf("racing: %d done, %d refused\n", done, refused);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(munmap(p, SIZE), 0);
}

int main(void)
{
	alarm(50);
	wrong_arguments();
	wrong_paths();
	holes();
	write_on_device();
	to_system();
	two_files();
	too_many_files();
	forked();
	discarded();
	remapped();
	replaced();
	device_memory();
	racing();
	return 0;
}
