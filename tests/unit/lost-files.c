// SPDX-License-Identifier: MIT
/*
 * Several threads find at once that a descriptor of the library's is closed and
 * cannot be put back: the process ends with one sentence.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "sys/fds.h"
#include "sys/sys.h"

#define THREADS	    4
#define EXIT_LOST   125
#define PATH_LENGTH 64

static int said[2], file;
static pthread_barrier_t together;
static _Atomic int tids[THREADS], speaker;

static bool sleeps(int tid)
{
	char path[PATH_LENGTH], state = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	stat = fopen(path, "r");
	CHECK(stat && fscanf(stat, "%*d (%*[^)]) %c", &state) == 1);
	fclose(stat);
	return state == 'S';
}

/* Speaks on until all others have spoken, too, or rest. */
static void say(const char *why)
{
	CHECK(why && write(said[1], ".", 1) == 1);
	if (atomic_exchange(&speaker, 1))
		return;
	for (int i = 0; i < THREADS; i++)
		while (tids[i] != sys_gettid() && !sleeps(tids[i]))
			sys_yield();
}

static void *find(void *arg)
{
	atomic_store((_Atomic int *)arg, sys_gettid());
	pthread_barrier_wait(&together);
	sys_fd_mend(file, 0);
	return NULL;
}

static void lose_it(void)
{
	pthread_t threads[THREADS];

	CHECK(!sys_mark_process());
	file = sys_fd_keep(dup(said[1]), SYS_FD_FAR);
	CHECK(file >= 0 && !close(file));
	sys_fds_on_lost(say);
	pthread_barrier_init(&together, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(threads + i, NULL, find, tids + i));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(1);
}

int main(void)
{
	char text[THREADS];
	int status;
	pid_t child;

	CHECK(!pipe(said));
	child = fork();
	if (!child)
		lose_it();
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), EXIT_LOST);
	close(said[1]);
	CHECK_EQ(read(said[0], text, sizeof(text)), 1);
	return 0;
}
