// SPDX-License-Identifier: MIT
/*
 * mlock(2), mlockall(2) and their kin, on memory that is away and beside it:
 * what is locked is there, and nothing is locked but memory of the program.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "memory.h"

#define LEN (4 * MIB)

static bool is_there(char *p, size_t len)
{
	static unsigned char there[4 * LEN / PAGE];

	CHECK(!mincore(p, len, there));
	for (size_t i = 0; i < len / PAGE; i++)
		if (!(there[i] & 1))
			return false;
	return true;
}

static void lock(void)
{
	char *p = away(LEN, 15), *q = map(MIB);

	CHECK(!mlock(p, MIB));
	CHECK(is_there(p, MIB));
	CHECK(!mlock(q, MIB));
	CHECK(is_there(q, MIB));
	CHECK(!mlock2(p + MIB, MIB, MLOCK_ONFAULT));
	push();
	CHECK(is_there(p, MIB));
	verify(p, LEN, 15);
	verify_zero(q, MIB);
	CHECK(!mlock(p + 2 * MIB, PAGE));
	CHECK(!munlock(p, LEN) && !munlock(q, MIB));
	push();
	verify(p, LEN, 15);
	CHECK(!mprotect(p, MIB, PROT_READ));
	push();
	CHECK(!mlock(p, MIB) && is_there(p, MIB));
	CHECK(!munlock(p, MIB));
	CHECK(!munmap(p, MIB));
	CHECK(mlock(p, LEN) && errno == ENOMEM);
	CHECK(!munmap(p, LEN) && !munmap(q, MIB));
}

static _Atomic bool done;

static void *keep_filling(void *p)
{
	while (!atomic_load(&done))
		fill(p, 4 * LEN, 19);
	return NULL;
}

/* While the demoter is about to take just that. */
static void lock_often(void)
{
	char *p = map(4 * LEN);
	pthread_t thread;

	atomic_store(&done, false);
	CHECK(!pthread_create(&thread, NULL, keep_filling, p));
	for (unsigned i = 0; i < 1000; i++) {
		char *q = p + i * 7919 % 256 * 16 * PAGE;

		CHECK(!mlock(q, 16 * PAGE));
		CHECK(is_there(q, 16 * PAGE));
		CHECK(!munlock(q, 16 * PAGE));
	}
	atomic_store(&done, true);
	CHECK(!pthread_join(thread, NULL));
	verify(p, 4 * LEN, 19);
	CHECK(!munmap(p, 4 * LEN));
}

static void lock_all(void)
{
	char *p = away(LEN, 16), *q;

	CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	q = map(LEN);
	fill(q, LEN, 17);
	push();
	verify(p, LEN, 16);
	verify(q, LEN, 17);
	CHECK(!munlockall());
	push();
	verify(p, LEN, 16);
	verify(q, LEN, 17);
	push();
	CHECK(!mlockall(MCL_CURRENT));
	CHECK(is_there(p, LEN) && is_there(q, LEN));
	CHECK(!munlockall());
	CHECK(!mlockall(MCL_FUTURE));
	CHECK(!munmap(q, LEN));
	q = map(LEN);
	CHECK(is_there(q, LEN));
	verify_zero(q, LEN);
	CHECK(!munlockall());
	fill(q, LEN, 18);
	push();
	verify(q, LEN, 18);
	verify(p, LEN, 16);
	CHECK(!munmap(p, LEN) && !munmap(q, LEN));
}

/* The kernel's count.  Without stdio, the buffers of which could be away. */
static size_t locked_mib(void)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	const char *at;

	CHECK(fd >= 0);
	memset(text, 0, sizeof(text));
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	CHECK(!close(fd));
	at = strstr(text, "VmLck:");
	CHECK(at);
	return strtoul(at + 6, NULL, 10) / 1024;
}

/* Memory that others have in the process is not locked with ours. */
static void lock_ours(void)
{
	char *p = away(LEN, 20);

	CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE));
	CHECK(is_there(p, LEN));
	CHECK(locked_mib() < 100);
	for (int i = 0; i < 4; i++) {
		char *q = map(LEN);

		CHECK(is_there(q, LEN));
		fill(q, LEN, 21);
		verify(q, LEN, 21);
		CHECK(!munmap(q, LEN));
	}
	CHECK(locked_mib() < 100);
	verify(p, LEN, 20);
	CHECK(!munlockall());
	CHECK(!munmap(p, LEN));
}

/* Before there is anything else, what comes later is to be locked. */
static void lock_first(void)
{
	char *p;

	CHECK(!mlockall(MCL_FUTURE));
	p = away(LEN, 22);
	CHECK(is_there(p, LEN));
	CHECK(locked_mib() < 100);
	CHECK(!munlockall());
	push();
	verify(p, LEN, 22);
	CHECK(!munmap(p, LEN));
}

static void grow_as_nobody(char *p)
{
	const struct rlimit most = { MIB, MIB };
	char *q;

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &most));
	CHECK(geteuid() || (!setgid(65534) && !setuid(65534)));
	CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) && errno == ENOMEM);
	CHECK(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) &&
	      errno == ENOMEM);
	q = map(LEN);
	fill(q, LEN, 24);
	push();
	verify(q, LEN, 24);
	verify(p, LEN, 23);
}

/* A refusal changes nothing: later memory can be had as before. */
static void lock_refused(void)
{
	char *p = away(LEN, 23);
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		grow_as_nobody(p);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(!munmap(p, LEN));
}

static const struct part parts[] = {
	{ "first", lock_first }, { "lock", lock },
	{ "often", lock_often }, { "all", lock_all },
	{ "ours", lock_ours },	 { "refused", lock_refused },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
