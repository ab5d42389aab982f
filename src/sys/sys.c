/* SPDX-License-Identifier: MIT */
/* sys.c - memory, time, events and environment; see sys.h */
#include "sys/sys.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "sys/cpu.h"
#include "sys/fail.h"
#include "sys/fds.h"
#include "sys/fds_int.h"
#include "sys/kernel.h"
#include "sys/lock.h"

static size_t whole_own_pages(size_t len)
{
	return (len + SYS_PAGE_SIZE - 1) & ~(SYS_PAGE_SIZE - 1);
}

int sys_random(void *p, size_t len)
{
	char *at = p, *end = at + len;

	while (at < end) {
		long n = syscall(SYS_getrandom, at, end - at, GRND_NONBLOCK);

		if (n <= 0 && errno != EINTR)
			return n ? -errno : -EIO;
		at += n > 0 ? n : 0;
	}
	return 0;
}

/* Larger pools are left out of cores, which would have all that is unused. */
#define MAX_DUMPED ((size_t)64 << 20)

void *sys_alloc(size_t len)
{
	uintptr_t addr;

	if (len == 0 || len > SIZE_MAX / 2)
		return NULL;
	/*
	 * Pools are made large and used in part, so the kernel need not reserve
	 * all.
	 */
	if (sys_own_map(whole_own_pages(len), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, &addr))
		return NULL;
	if (len > MAX_DUMPED)
		sys_madvise(addr, whole_own_pages(len), MADV_DONTDUMP);
	return (void *)addr;
}

void sys_free(void *p, size_t len)
{
	if (p)
		sys_own_unmap((uintptr_t)p, whole_own_pages(len));
}

void *sys_reserve(size_t len, size_t align)
{
	uintptr_t addr, first;

	len = whole_own_pages(len);
	if (len == 0 || len + align < len)
		return NULL;
	if (sys_own_map(len + align, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, &addr))
		return NULL;
	first = (addr + align - 1) & ~((uintptr_t)align - 1);
	if (first > addr)
		sys_own_unmap(addr, first - addr);
	if (addr + align > first)
		sys_own_unmap(first + len, addr + align - first);
	return (void *)first;
}

uint64_t sys_ram_size(void)
{
	struct sysinfo info;
	int saved = errno;

	if (sysinfo(&info)) {
		errno = saved;
		return 0;
	}
	return (uint64_t)info.totalram * info.mem_unit;
}

int sys_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	if (sys_should_fail("atfork"))
		return -ENOMEM;
	return -pthread_atfork(prepare, parent, child);
}

uint64_t sys_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int sys_eventfd(void)
{
	if (sys_should_fail("eventfd"))
		return -EMFILE;
	return (int)sys_opened(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0,
			       0);
}

void sys_eventfd_set(int fd)
{
	uint64_t one = 1;
	int saved = errno;

	if (!sys_fd_usable(fd))
		return;
	/* Fails only when the count is near 2^64: it is set then. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = saved;
}

void sys_eventfd_clear(int fd)
{
	uint64_t count;
	int saved = errno;

	if (!sys_fd_usable(fd))
		return;
	if (read(fd, &count, sizeof(count)) < 0)
		errno = saved;
}

uint64_t sys_address_limit(void)
{
	struct rlimit all = { .rlim_cur = RLIM_INFINITY }, data = all;

	getrlimit(RLIMIT_AS, &all);
	getrlimit(RLIMIT_DATA, &data);
	return all.rlim_cur < data.rlim_cur ? all.rlim_cur : data.rlim_cur;
}

enum {
	MAX_VARIABLES = 8,
	MAX_VALUE = 256,
};

/* Written under the lock.  In a forked child one thread runs, without lock. */
static struct variable {
	const char *name;
	bool has_value;
	char value[MAX_VALUE];
} variables[MAX_VARIABLES];
static struct sys_mutex variables_lock;
static bool env_is_frozen;

static struct variable *variable(const char *name)
{
	for (size_t i = 0; i < MAX_VARIABLES; i++) {
		struct variable *v = &variables[i];

		if (!v->name)
			v->name = name;
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

static void remember(const char *name, const char *value)
{
	struct variable *v;

	sys_mutex_lock(&variables_lock);
	v = variable(name);
	if (v)
		v->has_value = value && strlen(value) < MAX_VALUE;
	if (v && v->has_value)
		strcpy(v->value, value);
	sys_mutex_unlock(&variables_lock);
}

const char *sys_getenv(const char *name)
{
	const char *value;

	if (env_is_frozen) {
		struct variable *v = variable(name);

		return v && v->has_value ? v->value : NULL;
	}
	value = secure_getenv(name);
	remember(name, value);
	return value;
}

void sys_freeze_env(bool frozen)
{
	env_is_frozen = frozen;
}
