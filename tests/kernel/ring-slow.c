// SPDX-License-Identifier: MIT
/*
 * ring-slow.c - a driver that is stopped or slow: waiting threads can be
 * killed, and other threads of the process can map memory meanwhile.  When it
 * goes on so does the rest.  One that stays silent is taken for dead.
 *
 * type: private
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES	32UL
#define TIMEOUT 3000U

static struct driver *d;
static char *at;
static atomic_bool is_home;

static void stop(void)
{
	int status;

	CHECK_EQ(kill(d->pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(d->pid, &status, WUNTRACED), d->pid);
}

static void touch(void)
{
	_exit(!can_touch(at));
}

static void read_by_kernel(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { at, 1 };

	_exit(process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1);
}

static void move_home(void)
{
	_exit(home(at, NPAGES) != NPAGES);
}

/* A move waits as well, and does not count as a touch that waits. */
static int start_use(void (*use)(void), bool is_counted)
{
	uint64_t waits = statistics().waits;
	int pid = fork();

	if (pid == 0)
		use();
	while (is_counted && statistics().waits == waits)
		usleep(1000);
	if (!is_counted)
		usleep(50000);
	return pid;
}

static void can_be_killed(void (*use)(void), bool is_counted)
{
	int pid = start_use(use, is_counted), status;

	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void *touch_thread(void *arg)
{
	CHECK(is_filled(at, NPAGES, 1));
	is_home = true;
	return arg;
}

/* mmap(2) wants mmap_lock for writing. */
static void holds_no_lock(void)
{
	uint64_t waits = statistics().waits;
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, touch_thread, NULL), 0);
	while (statistics().waits == waits)
		usleep(1000);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(munmap(map_pages(1), PAGE), 0);
	CHECK(!is_home);
	CHECK_EQ(kill(d->pid, SIGCONT), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(is_home);
}

/* A signal handler runs while the thread waits. */
static volatile sig_atomic_t nr_signals;

static void on_signal(int sig)
{
	nr_signals += sig == SIGUSR1;
}

static void signals_come(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	uint64_t waits = statistics().waits;
	pthread_t thread;

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, touch_thread, NULL), 0);
	while (statistics().waits == waits)
		usleep(1000);
	CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
	while (!nr_signals)
		usleep(1000);
	CHECK_EQ(kill(d->pid, SIGCONT), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void out_and_stop(void)
{
	uint64_t stores = statistics().stores;

	fill(at, NPAGES, 1);
	all_out(at, NPAGES);
	wait_stored(stores + NPAGES);
	is_home = false;
	stop();
}

/* More than there are slots; the driver takes its time. */
static void slow(void)
{
	char *more = map_pages(512);

	d->delay_us = 5000;
	fill(more, 512, 2);
	CHECK_EQ(out(more, 512), 512);
	CHECK(is_filled(more, 512, 2));
	d->delay_us = 0;
	munmap(more, 512 * PAGE);
}

int main(int argc, char **argv)
{
	d = start_driver(argc, argv, 4096, 64, TIMEOUT, keep);
	at = map_pages(NPAGES);
	slow();
	out_and_stop();
	can_be_killed(touch, true);
	can_be_killed(read_by_kernel, true);
	can_be_killed(move_home, false);
	holds_no_lock();
	out_and_stop();
	signals_come();
	out_and_stop();
	CHECK(!can_touch(at));
	CHECK_EQ(statistics().dead, 1);
	CHECK_EQ(munmap(at, NPAGES * PAGE), 0);
	CHECK_EQ(statistics().used, 0);
	CHECK_EQ(kill(d->pid, SIGCONT), 0);
	expect_child(d->pid);
	return 0;
}
