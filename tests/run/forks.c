// SPDX-License-Identifier: MIT
/*
 * forks WHAT: a program that makes processes, one way a run.  Every process
 * checks all the memory it should have, before and after it grew.
 *
 *	plain	a child after a child
 *	nested	each child has a child, which ends last
 *	storm	from several threads, while others allocate and write
 *	signal	in a signal handler, while the thread is anywhere else
 *	orphan	the parent ends first
 *	last	the main thread ends before another, which ends the program
 *	first	the main thread ends before there is memory to manage
 *	spawn	vfork(2) and posix_spawn(3)
 *	rss	print the MiB of RAM that a child has which grew; its RAM is
 *		what a user looks at to see whether it is managed
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR	16
#define SIZE	((size_t)4 << 20)
#define MORE	((size_t)1 << 20)
#define NR_MORE 32

static char *data[NR];
static atomic_bool stop;

#define CHECK(cond)                                                         \
	do {                                                                \
		if (!(cond)) {                                              \
			fprintf(stderr, "%d: line %d: %s\n", (int)getpid(), \
				__LINE__, #cond);                           \
			_exit(99);                                          \
		}                                                           \
	} while (0)

/* Halves of it compress. */
static uint64_t word(uint64_t seed, size_t i)
{
	return i & 1 ? seed : (seed + i) * 0x9e3779b97f4a7c15u;
}

static void fill(char *p, size_t len, uint64_t seed)
{
	uint64_t *w = (uint64_t *)p;

	for (size_t i = 0; i < len / sizeof(*w); i++)
		w[i] = word(seed, i);
}

static void verify(const char *p, size_t len, uint64_t seed)
{
	const uint64_t *w = (const uint64_t *)p;

	for (size_t i = 0; i < len / sizeof(*w); i++)
		CHECK(w[i] == word(seed, i));
}

extern char **environ;

/*
 * As programs do that write over it: it gets cold, and goes away.  Inline,
 * execve(2) could not read it then.
 */
static void move_environment(void)
{
	const char *mode = getenv("UHMM_RUN_MODE");
	char **copy;
	size_t n = 0;

	if (mode && strcmp(mode, "inline") == 0)
		return;

	while (environ[n])
		n++;
	copy = malloc((n + 1) * sizeof(*copy));
	CHECK(copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = strdup(environ[i]);
	copy[n] = NULL;
	environ = copy;
}

static void fill_all(void)
{
	for (size_t i = 0; i < NR; i++) {
		data[i] = i % 2 ? malloc(SIZE) :
				  mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(data[i] && data[i] != MAP_FAILED);
		fill(data[i], SIZE, i);
	}
}

static void verify_all(void)
{
	for (size_t i = 0; i < NR; i++)
		verify(data[i], SIZE, i);
}

/* Allocate as much again, and write to half of what was there. */
static void grow(void)
{
	char *more[NR_MORE];

	for (size_t i = 0; i < NR_MORE; i++) {
		more[i] = malloc(MORE);
		CHECK(more[i]);
		fill(more[i], MORE, 100 + i);
	}
	for (size_t i = 0; i < NR; i += 2)
		fill(data[i], SIZE, 200 + i);
	for (size_t i = 0; i < NR; i++)
		verify(data[i], SIZE, i % 2 ? i : 200 + i);
	for (size_t i = 0; i < NR; i += 2)
		fill(data[i], SIZE, i);
	for (size_t i = 0; i < NR_MORE; i++) {
		verify(more[i], MORE, 100 + i);
		free(more[i]);
	}
}

static void end_of(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

/* This child forks, its child forks, and so on, @depth times. */
static void child(int depth)
{
	pid_t pid = 0;

	for (; pid == 0; depth--) {
		verify_all();
		if (depth % 2)
			grow();
		pid = depth > 0 ? fork() : -1;
	}
	if (pid > 0) {
		grow();
		end_of(pid);
	}
	verify_all();
	_exit(0);
}

static void fork_one(int depth)
{
	pid_t pid = fork();

	if (!pid)
		child(depth);
	end_of(pid);
}

static void plain(void)
{
	for (int i = 0; i < 2; i++) {
		fork_one(0);
		grow();
	}
}

/* ---- From several threads ---- */

static void *work(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		size_t len = (size_t)(1 + rand_r(&seed) % 32) << 16;
		size_t at = (size_t)rand_r(&seed) % NR;
		char *p = malloc(len);

		CHECK(p);
		fill(p, len, seed);
		verify(data[at], SIZE, at);
		verify(p, len, seed);
		free(p);
	}
	return NULL;
}

static void *work_mapping(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		fill(p, SIZE, ++seed);
		verify(p, SIZE, seed);
		munmap(p, SIZE);
	}
	return NULL;
}

static void *fork_some(void *arg)
{
	for (int i = 0; i < 2; i++)
		fork_one((int)(uintptr_t)arg % 2);
	return NULL;
}

static void storm(void)
{
	pthread_t worker[2], forker[3];

	for (uintptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&worker[i], NULL, i ? work_mapping : work,
				      (void *)(i + 1)));
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&forker[i], NULL, fork_some, (void *)i));
	for (int i = 0; i < 3; i++)
		pthread_join(forker[i], NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(worker[i], NULL);
}

/* ---- In a signal handler ---- */

static volatile sig_atomic_t forked;

static void on_alarm(int sig)
{
	pid_t pid;

	(void)sig;
	if (forked++ >= 4)
		return;
	pid = fork();
	if (!pid) {
		verify_all();
		_exit(0);
	}
	end_of(pid);
}

static void in_handler(void)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction act = { .sa_handler = on_alarm,
				 .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (uint64_t n = 0; forked < 4; n++) {
		char *p = data[n % NR];

		fill(p, SIZE, n % NR);
		verify(p, SIZE, n % NR);
	}
	setitimer(ITIMER_REAL, &never, NULL);
}

/* ---- A parent that ends first ---- */

static void orphan(void)
{
	int pipes[2];
	pid_t pid;
	char c = 1;

	CHECK(!pipe(pipes));
	pid = fork();
	if (pid == 0) {
		pid_t middle = getpid();

		pid = fork();
		CHECK(pid >= 0);
		if (pid)
			_exit(0);
		while (getppid() == middle)
			usleep(1000);
		grow();
		verify_all();
		c = 0;
		CHECK(write(pipes[1], &c, 1) == 1);
		_exit(0);
	}
	end_of(pid);
	close(pipes[1]);
	CHECK(read(pipes[0], &c, 1) == 1 && c == 0);
}

/* ---- Without a copy ---- */

static void spawn(void)
{
	char name[] = "true", *argv[] = { name, NULL };
	pid_t pid;

	for (int i = 0; i < 20; i++) {
		CHECK(!posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
		end_of(pid);
		pid = vfork();
		if (!pid) {
			execvp("true", argv);
			_exit(1);
		}
		end_of(pid);
		CHECK(system("exit 7") == 7 << 8);
	}
}

/* ---- Is the child managed? ---- */

/* Without stdio: inline, its buffers would have to be in RAM. */
static size_t rss_mib(void)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	const char *at;

	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	at = strstr(text, "RssAnon:");
	CHECK(at);
	return strtoul(at + 8, NULL, 10) / 1024;
}

static void print_rss(void)
{
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < 128; i++) {
			char *p = malloc(MORE);

			CHECK(p);
			memset(p, i, MORE);
		}
		verify_all();
		dprintf(STDOUT_FILENO, "%zu\n", rss_mib());
		_exit(0);
	}
	end_of(pid);
}

/* ---- Without the main thread ---- */

static pthread_t main_thread;

static void *go_on(void *fill_first)
{
	CHECK(!pthread_join(main_thread, NULL));
	if (fill_first)
		fill_all();
	verify_all();
	plain();
	verify_all();
	return NULL;
}

static void leave_to_another(void *fill_first)
{
	pthread_t t;

	main_thread = pthread_self();
	CHECK(!pthread_create(&t, NULL, go_on, fill_first));
	CHECK(!pthread_detach(t));
	pthread_exit(NULL);
}

static void last(void)
{
	leave_to_another(NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} ways[] = {
		{ "plain", plain },	  { "storm", storm },
		{ "signal", in_handler }, { "orphan", orphan },
		{ "spawn", spawn },	  { "rss", print_rss },
		{ "last", last },
	};
	const char *what = argc > 1 ? argv[1] : "plain";

	move_environment();
	if (strcmp(what, "first") == 0)
		leave_to_another(&data);
	fill_all();
	if (strcmp(what, "nested") == 0)
		fork_one(2);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(what, ways[i].name) == 0)
			ways[i].fn();
	verify_all();
	return 0;
}
