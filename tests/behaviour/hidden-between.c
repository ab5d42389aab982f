// SPDX-License-Identifier: MIT
/*
 * Where the kernel does not tell of a bare clone(2), managed memory, views of
 * objects and memory of devices are hidden from the process that it makes.
 * They stay hidden where mappings change meanwhile: memory that a thread has
 * just replaced or unmapped is shown, as it may be the program's own, and they
 * may be what is there now.
 *
 * The steps that map and hide memory are functions of the library, which are
 * wrapped here.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../held.h"
#include "../object.h"

#define NPAGES 8

int __real_sys_madvise(uintptr_t start, size_t len, int advice);
int __wrap_sys_madvise(uintptr_t start, size_t len, int advice);
int __real_sys_mmap(uintptr_t at, size_t len, int prot, int flags,
		    uintptr_t *ret);
int __wrap_sys_mmap(uintptr_t at, size_t len, int prot, int flags,
		    uintptr_t *ret);
int __real_sys_map_file(uintptr_t at, size_t len, int prot, int flags, int fd,
			uint64_t offset, uintptr_t *ret);
int __wrap_sys_map_file(uintptr_t at, size_t len, int prot, int flags, int fd,
			uint64_t offset, uintptr_t *ret);

static struct uhmm *u;
static char *area; /* its first page is watched, the others are managed */
static pthread_t thread;
static _Atomic bool armed;   /* the next mapping is made in the area */
static void (*before)(void); /* that */

static void let_go(void)
{
	held_let_go();
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* The kernel may choose any address: here the one that is free again. */
static uintptr_t choose(uintptr_t at, size_t len)
{
	if (!armed || at || len != NPAGES * PAGE)
		return at;
	if (before)
		before();
	before = NULL;
	return (uintptr_t)area;
}

int __wrap_sys_mmap(uintptr_t at, size_t len, int prot, int flags,
		    uintptr_t *ret)
{
	return __real_sys_mmap(choose(at, len), len, prot, flags, ret);
}

int __wrap_sys_map_file(uintptr_t at, size_t len, int prot, int flags, int fd,
			uint64_t offset, uintptr_t *ret)
{
	return __real_sys_map_file(choose(at, len), len, prot, flags, fd,
				   offset, ret);
}

/* The new mapping is hidden; then the thread goes on, and is heard of. */
int __wrap_sys_madvise(uintptr_t start, size_t len, int advice)
{
	int ret = __real_sys_madvise(start, len, advice);

	if (advice == MADV_DONTFORK && start == (uintptr_t)area &&
	    atomic_exchange(&armed, false))
		let_go();
	return ret;
}

/* ---- Children ----------------------------------------------------------- */

static void join_child(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void announced_child(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	join_child(pid);
}

/* The child has no page of them: neither zeroes, nor what the parent writes. */
static void check_hidden(char *p, size_t npages)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		for (size_t i = 0; i < npages; i++)
			CHECK_EQ(test_read_raises(p + i * PAGE), SIGSEGV);
		_exit(0);
	}
	join_child(pid);
}

/* ---- What another thread does ------------------------------------------- */

static void *unmap(void *arg)
{
	CHECK_EQ(munmap(area, NPAGES * PAGE), 0);
	return arg;
}

/* A view, which the library knows, moves there. */
static void *move_over(void *arg)
{
	CHECK(mremap(arg, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	return NULL;
}

static void map_area(void)
{
	area = test_map(NPAGES);
	CHECK_EQ(uhmm_register(u, area + PAGE, (NPAGES - 1) * PAGE), 0);
	held_watch(area);
}

static void change(void *(*how)(void *), void *arg)
{
	CHECK_EQ(pthread_create(&thread, NULL, how, arg), 0);
	held_wait();
}

/*
 * The thread has changed the area, and the library has not heard of it when it
 * hides memory again after a fork(2): it shows what was replaced, until the
 * next fork(2).
 */
static void start(void *(*how)(void *), void *arg)
{
	map_area();
	change(how, arg);
	announced_child();
}

/* ---- Tests -------------------------------------------------------------- */

static void managed_behind(void)
{
	char *p = test_map(NPAGES);

	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	announced_child();
	CHECK_EQ(uhmm_unregister(u, p, NPAGES / 2 * PAGE), 0);
	check_hidden(p + NPAGES / 2 * PAGE, NPAGES / 2);
	test_verify(p, NPAGES, 1);
}

static void view_moves(struct uhmm_device *dev)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	char *p = test_view(o, 0, NPAGES, RW, 0);

	test_fill(p, NPAGES, 2);
	start(move_over, p);
	let_go();
	test_move(u, area, NPAGES, dev);
	check_hidden(area, NPAGES);
	test_verify(area, NPAGES, 2);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

/* One page is the guard's. */
static void view_is_new(struct uhmm_device *dev)
{
	struct uhmm_object *o = test_object(u, NPAGES - 1);
	char *p;

	start(unmap, NULL);
	armed = true;
	p = test_view(o, 0, NPAGES - 1, RW, 0);
	CHECK(p == area && !armed);
	test_fill(p, NPAGES - 1, 3);
	test_move(u, p, NPAGES - 1, dev);
	check_hidden(p, NPAGES - 1);
	test_verify(p, NPAGES - 1, 3);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void unmap_now(void)
{
	change(unmap, NULL);
}

/* Memory of a device is mapped in the area first, and then moves. */
static void placed(void)
{
	struct uhmm_device *dev = test_device(u, "dax:1M");
	char *p = test_map_blocks(1);

	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 4);
	start(unmap, NULL);
	let_go();
	map_area();
	before = unmap_now;
	armed = true;
	test_move(u, p, NPAGES, dev);
	CHECK(!armed);
	check_hidden(p, NPAGES);
	test_verify(p, NPAGES, 4);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

int main(void)
{
	struct uhmm_device *dev;

	test_catch(SIGSEGV);
	u = test_open();
	dev = test_device(u, "ram:16M");
	managed_behind();
	placed();
	view_moves(dev);
	view_is_new(dev);
	test_close(u);
	return 0;
}
