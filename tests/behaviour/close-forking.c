// SPDX-License-Identifier: MIT
/*
 * Contexts are opened and closed, and memory is unregistered, while another
 * thread forks: no fork waits for ever, and what was managed is inherited again
 * afterwards.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES 512
#define ROUNDS 12
#define FORKS  4 /* in each */

static _Atomic bool stop;
static _Atomic int due;

static void *forker(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		pid_t pid;

		if (!atomic_load(&due)) {
			sched_yield();
			continue;
		}
		atomic_fetch_sub(&due, 1);
		pid = fork();
		if (!pid)
			_exit(0);
		CHECK(pid > 0);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
	}
	return NULL;
}

/* Is the mapping at @p kept from children? */
static bool is_hidden(const char *p)
{
	unsigned long start, end, want = (unsigned long)p;
	bool here = false, hidden = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = want >= start && want < end;
		else if (here && !strncmp(line, "VmFlags:", 8))
			hidden = strstr(line, " dc");
	}
	fclose(f);
	return hidden;
}

int main(void)
{
	pthread_t thread;

	test_close(test_open());
	CHECK_EQ(pthread_create(&thread, NULL, forker, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		char *p = test_map(NPAGES), *q = test_map(NPAGES);
		struct uhmm *u;

		atomic_store(&due, FORKS);
		u = test_open();
		test_fill(p, NPAGES, 1);
		CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
		CHECK_EQ(uhmm_register(u, q, NPAGES * PAGE), 0);
		CHECK_EQ(uhmm_unregister(u, q, NPAGES * PAGE), 0);
		CHECK(!is_hidden(q));
		atomic_store(&due, FORKS);
		test_close(u);
		CHECK(!is_hidden(p));
		CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
		CHECK_EQ(munmap(q, NPAGES * PAGE), 0);
	}
	atomic_store(&stop, true);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	return 0;
}
