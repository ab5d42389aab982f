// SPDX-License-Identifier: MIT
/*
 * Programs find io_uring where it works on memory that moves, and else nothing,
 * so that they do without: by system call, and by the library's functions.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN ((size_t)24 << 20) /* more than the limit */

typedef int init_fn(unsigned nr, void *ring, unsigned flags);

static int fail(const char *what, long ret)
{
	fprintf(stderr, "%s: %ld, errno %d\n", what, ret, errno);
	return 1;
}

static int check_refused(void)
{
	struct io_uring_params p = { .flags = 0 };
	long fd = syscall(SYS_io_uring_setup, 4, &p);
	void *fn = dlsym(RTLD_DEFAULT, "io_uring_queue_init");
	char ring[1024];

	if (fd != -1 || errno != ENOSYS)
		return fail("a ring was made", fd);
	if (!fn)
		return fail("the library's function is not ours", 0);
	if (((init_fn *)(uintptr_t)fn)(4, ring, 0) != -ENOSYS)
		return fail("the library made a ring", 0);
	return 0;
}

/* As without us: the kernel may not have it, or not for us. */
static int check_works(void)
{
	struct io_uring_params p = { .flags = 0 };
	long fd = syscall(SYS_io_uring_setup, 4, &p);

	if (fd < 0 && errno != ENOSYS && errno != EPERM && errno != ENOMEM)
		return fail("no ring was made", fd);
	if (fd >= 0)
		close((int)fd);
	return 0;
}

int main(void)
{
	char *p = malloc(LEN);

	if (!p)
		return fail("malloc", 0);
	for (size_t i = 0; i < LEN; i++)
		p[i] = (char)(i / 4096);
	for (size_t i = 0; i < LEN; i++)
		if (p[i] != (char)(i / 4096))
			return fail("data", (long)i);
	return getenv("RINGS") ? check_refused() : check_works();
}
