// SPDX-License-Identifier: MIT
/*
 * A process that counts up in a mapped file is killed: each page of the file
 * has what the last sync said, or what was stored later, and nothing older.
 */
#include "../file.h"

#define NPAGES 64
#define TURNS  8

static _Atomic uint64_t *synced; /* shared with the child */

static _Noreturn void count_up(int fd)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:4M");
	volatile uint64_t *p = (void *)test_map_file(u, fd, 0, NPAGES, RW);
	char *mem = (char *)(uintptr_t)p;

	for (uint64_t n = 1;; n++) {
		for (size_t i = 0; i < NPAGES; i++)
			p[i * PAGE_WORDS] = n;
		uhmm_migrate(u, mem + n % 32 * PAGE, 32 * PAGE,
			     n % 3 ? dev : NULL);
		if (n % 4)
			continue;
		CHECK_EQ(uhmm_file_sync(u, mem, NPAGES * PAGE, MS_SYNC), 0);
		*synced = n;
	}
}

static uint64_t least_count(int fd)
{
	uint64_t least = UINT64_MAX, n;

	for (size_t i = 0; i < NPAGES; i++) {
		CHECK_EQ(pread(fd, &n, sizeof(n), (off_t)(i * PAGE)),
			 (ssize_t)sizeof(n));
		least = n < least ? n : least;
	}
	return least;
}

static void kill_one(int fd, uint64_t turn)
{
	uint64_t was;
	pid_t pid;

	*synced = 0;
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		count_up(fd);
	CHECK_SOON(*synced >= 4 * turn);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	was = *synced;
	CHECK(least_count(fd) >= was);
}

int main(void)
{
	int fd = test_file(NPAGES, 1);

	test_close(test_open()); /* or skip */
	synced = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(synced != MAP_FAILED);
	for (uint64_t turn = 1; turn <= TURNS; turn++)
		kill_one(fd, turn);
	return 0;
}
