// SPDX-License-Identifier: MIT
/*
 * While a fork is about to be made, another thread maps new memory over what
 * was a mapping before mremap(2) made it longer: a child has the rest of it.
 *
 * The step is a function of the library, which is wrapped here.  It is taken
 * only where managed memory is hidden from processes that are not announced.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../asleep.h"

#define NPAGES 8

int __real_uffd_ask_registered(const void *b, uintptr_t va);
int __wrap_uffd_ask_registered(const void *b, uintptr_t va);

static char *area;
static atomic_bool armed;
static _Atomic pid_t tid;
static pthread_t thread;

static void *map_over(void *arg)
{
	tid = asleep_self();
	CHECK(mmap(area, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
	return arg;
}

/* The thread waits for its event to be read. */
int __wrap_uffd_ask_registered(const void *b, uintptr_t va)
{
	if (va == (uintptr_t)area && atomic_exchange(&armed, false)) {
		CHECK_EQ(pthread_create(&thread, NULL, map_over, NULL), 0);
		asleep_wait(&tid);
	}
	return __real_uffd_ask_registered(b, va);
}

int main(void)
{
	struct uhmm *u = test_open();
	char *grown;
	int status;
	pid_t pid;

	area = test_map_blocks(1);
	grown = area + NPAGES * PAGE;
	CHECK_EQ(munmap(grown, BLOCK - NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	CHECK(mremap(area, NPAGES * PAGE, 2 * NPAGES * PAGE, 0) == area);
	test_fill(grown, NPAGES, 1);
	armed = true;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		test_verify(grown, NPAGES, 1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	if (tid)
		CHECK_EQ(pthread_join(thread, NULL), 0);
	test_close(u);
	return 0;
}
