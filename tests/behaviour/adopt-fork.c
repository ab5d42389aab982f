// SPDX-License-Identifier: MIT
/*
 * Adopted memory is shared with children of fork(2), and with theirs: each sees
 * what the others write, whatever was away when they were made.  While one of
 * them lives no page leaves; when the last one has ended, or has called
 * execve(2), pages leave again.  What a child made without the handlers of
 * fork(2) finds is right, or SIGSEGV, and never zeroes.
 */
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../object.h"

#define NPAGES 600 /* more than a block */
#define FEW    16

static struct uhmm *u;
static struct uhmm_device *dev;

static int status_of(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* The child ends some time, also when its parent ends first. */
static pid_t make_child(void)
{
	pid_t pid = fork();

	if (!pid)
		alarm(30);
	return pid;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Within a second; other programs may keep this one from running meanwhile. */
static void leaves_again(char *p, size_t npages)
{
	uint64_t end = now_ms() + 5000;

	while (uhmm_migrate(u, p, npages * PAGE, dev) != (ssize_t)npages &&
	       now_ms() < end)
		sched_yield();
	CHECK_EQ(test_count_on(u, p, npages, dev), npages);
}

static void stays(char *p, size_t npages)
{
	uint8_t why[NPAGES];

	CHECK_EQ(uhmm_migrate_why(u, p, npages * PAGE, dev, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_SHARED);
	CHECK_EQ(why[npages - 1], UHMM_WHY_SHARED);
}

/* A line each way, so that parent and child take turns. */
struct turns {
	int to_child[2], to_parent[2];
};

static void turns_open(struct turns *t)
{
	CHECK_EQ(pipe(t->to_child), 0);
	CHECK_EQ(pipe(t->to_parent), 0);
}

static void tell(int fd)
{
	CHECK_EQ(write(fd, "", 1), 1);
}

static void await(int fd)
{
	char c;

	CHECK_EQ(read(fd, &c, 1), 1);
}

/* In the child: see the parent's data and write, two times. */
static void child_turns(const struct turns *t, char *p, char *q)
{
	test_verify(p, NPAGES, 1);
	test_fill(q, NPAGES, 2);
	tell(t->to_parent[1]);
	await(t->to_child[0]);
	test_verify(q, NPAGES, 3);
}

static void both_see_all(void)
{
	char *p = test_shared(NPAGES), *q = test_again(p, NPAGES);
	struct uhmm_object *o = test_adopt(u, p);
	struct turns t;
	pid_t pid;

	turns_open(&t);
	test_fill(q, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	pid = make_child();
	CHECK(pid >= 0);
	if (!pid) {
		child_turns(&t, p, q);
		pid = make_child(); /* the child ends, the grandchild goes on */
		if (!pid) {
			tell(t.to_parent[1]);
			await(t.to_child[0]);
			test_verify(p, NPAGES, 3);
		}
		_exit(0);
	}
	await(t.to_parent[0]);
	test_verify(p, NPAGES, 2);
	stays(p, NPAGES);
	test_fill(p, NPAGES, 3);
	tell(t.to_child[1]);
	CHECK_EQ(status_of(pid), 0);
	await(t.to_parent[0]);
	stays(q, NPAGES);
	tell(t.to_child[1]);
	leaves_again(p, NPAGES);
	test_verify(q, NPAGES, 3);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

/* Pages that the child was the first to touch. */
static void child_touches_first(void)
{
	char *p = test_shared(NPAGES);
	struct uhmm_object *o = test_adopt(u, p);
	pid_t pid = make_child();

	CHECK(pid >= 0);
	if (!pid) {
		test_verify_zero(p, 1);
		test_fill(p, NPAGES, 4);
		_exit(0);
	}
	CHECK_EQ(status_of(pid), 0);
	test_verify(p, NPAGES, 4);
	leaves_again(p, NPAGES);
	test_verify(p, NPAGES, 4);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

/* The parent unmaps the memory, and the object ends, while the child has it. */
static void parent_has_enough(void)
{
	char *p = test_shared(NPAGES);
	struct uhmm_object *o = test_adopt(u, p);
	struct turns t;
	pid_t pid;

	turns_open(&t);
	test_fill(p, NPAGES, 11);
	test_move(u, p, NPAGES, dev);
	pid = make_child();
	CHECK(pid >= 0);
	if (!pid) {
		await(t.to_child[0]);
		test_verify(p, NPAGES, 11);
		_exit(0);
	}
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	tell(t.to_child[1]);
	CHECK_EQ(status_of(pid), 0);
}

static void execs(void)
{
	char *p = test_shared(FEW);
	struct uhmm_object *o = test_adopt(u, p);
	int end[2];
	pid_t pid;

	test_fill(p, FEW, 5);
	test_move(u, p, FEW, dev);
	CHECK_EQ(pipe(end), 0);
	pid = make_child();
	CHECK(pid >= 0);
	if (!pid) {
		dup2(end[0], 0);
		close(end[1]);
		execlp("cat", "cat", (char *)NULL);
		_exit(1);
	}
	leaves_again(p, FEW); /* cat still runs */
	CHECK_EQ(close(end[1]), 0);
	CHECK_EQ(status_of(pid), 0);
	test_verify(p, FEW, 5);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static pid_t bare_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		alarm(30);
	return pid;
}

static void made_past_the_handlers(void)
{
	char *p = test_shared(FEW);
	struct uhmm_object *o = test_adopt(u, p);
	struct turns t;
	pid_t pid;

	/* nothing has left yet: it has the memory, and keeps it at home */
	turns_open(&t);
	test_fill(p, FEW, 6);
	pid = bare_clone();
	CHECK(pid >= 0);
	if (!pid) {
		await(t.to_child[0]);
		_exit(*(volatile uint64_t *)p != test_word(6, 0));
	}
	stays(p, FEW);
	tell(t.to_child[1]);
	CHECK_EQ(status_of(pid), 0);
	leaves_again(p, FEW);

	pid = bare_clone();
	CHECK(pid >= 0);
	if (!pid) {
		int sig = test_read_raises(p);

		_exit(sig ? sig != SIGSEGV :
			    *(volatile uint64_t *)p != test_word(6, 0));
	}
	CHECK_EQ(status_of(pid), 0);
	test_verify(p, FEW, 6);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

/* A lost page is SIGBUS here, and must not be zeroes in a child. */
static void lost(void)
{
	struct uhmm_device *gone = test_device(u, "ram:1M");
	char *p = test_shared(FEW);
	struct uhmm_object *o = test_adopt(u, p);
	pid_t pid;

	test_fill(p, FEW, 7);
	test_move(u, p, 1, gone);
	CHECK_EQ(uhmm_device_lost(gone), 0);
	CHECK_EQ(test_read_raises(p), SIGBUS);
	pid = make_child();
	CHECK(pid >= 0);
	if (!pid)
		_exit(test_read_raises(p) == 0);
	CHECK_EQ(status_of(pid), 0);
	uhmm_object_destroy(o);
}

/* A child with a context of its own; its private pages stay away. */
static void heirs(void)
{
	struct uhmm_params with = { .flags = UHMM_OPEN_FORK };
	struct uhmm *v = test_open_with(with);
	struct uhmm_device *d = test_device(v, "ram:16M");
	char *own = test_map(FEW), *p = test_shared(FEW);
	struct uhmm_object *o = test_adopt(v, p);
	pid_t pid;

	CHECK_EQ(uhmm_register(v, own, FEW * PAGE), 0);
	test_fill(own, FEW, 8);
	test_fill(p, FEW / 2, 9);
	test_move(v, own, FEW, d);
	test_move(v, p, FEW / 2, d);
	pid = make_child();
	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, FEW / 2, 9);
		test_verify(own, FEW, 8);
		test_verify_zero(p + FEW / 2 * PAGE, FEW / 2);
		test_fill(p, FEW, 10);
		_exit(0);
	}
	CHECK_EQ(status_of(pid), 0);
	test_verify(p, FEW, 10);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_close(v);
}

int main(void)
{
	test_catch(SIGSEGV);
	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device(u, "ram:16M");
	for (int round = 0; round < 2; round++) {
		both_see_all();
		child_touches_first();
		parent_has_enough();
		execs();
		made_past_the_handlers();
	}
	lost();
	heirs();
	uhmm_close(u);
	return 0;
}
