/* SPDX-License-Identifier: MIT */
/* mm-uffd-events.c - touches, events, what the backend can tell, a child. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "mm-uffd.h"

static void test_events(void)
{
	char *to = sys_reserve(MM_PAGE_SIZE, MM_PAGE_SIZE);
	char *p;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 17);
	track_area();
	madvise(page(3), 2 * MM_PAGE_SIZE, MADV_DONTNEED);
	/* Read by the time the call returns, applied a moment later. */
	while (!t.discards[4])
		sys_yield();
	CHECK(t.discards[3] == 1 && t.discards[4] == 1);
	CHECK(!t.discards[2] && !t.discards[5]);
	CHECK(page(3)[0] == 0);
	p = mremap(page(511), MM_PAGE_SIZE, MM_PAGE_SIZE,
		   MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(p == to);
	while (!t.remapped_to)
		sys_yield();
	CHECK(t.remapped_to == (uintptr_t)to);
	munmap(page(510), MM_PAGE_SIZE);
	/* After that of the place that mremap() left. */
	while (t.unmapped != (uintptr_t)page(510))
		sys_yield();
	t.mm->ops->untrack(t.mm, (uintptr_t)to, (uintptr_t)to + MM_PAGE_SIZE,
			   NULL, NULL);
	munmap(to, MM_PAGE_SIZE);
	unmap_area();
}

static void test_system_calls(void)
{
	struct mm_freeze *f;
	char buf[16];
	int fds[2];

	if (t.mm->is_inline || !has("kernel-faults"))
		return;
	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 18);
	track_area();
	f = freeze(0, 20, 1);
	CHECK(send_away(f) == 20);
	CHECK(!pipe(fds));
	CHECK(write(fds[1], page(3), 16) == 16);
	CHECK(read(fds[0], buf, 16) == 16);
	CHECK(!memcmp(buf, page(3), 16));
	CHECK(write(fds[1], page(3), 16) == 16);
	CHECK(read(fds[0], page(400), 16) == 16);
	CHECK(!memcmp(page(400), page(3), 16));
	close(fds[0]);
	close(fds[1]);
	unmap_area();
}

static void *touch(void *arg)
{
	*(volatile char *)arg = 1;
	return NULL;
}

static void test_wait(void)
{
	struct mm_freeze *f;
	pthread_t thread;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 19);
	track_area();
	f = freeze(3, 4, 1);
	CHECK(send_away(f) == 1);
	t.state[3] = HELD;
	t.held = 0;
	CHECK(!pthread_create(&thread, NULL, touch, page(3)));
	while (!t.held)
		sys_futex_wait(&t.held, 0, 0);
	sys_mutex_lock(&t.lock);
	t.state[3] = AWAY;
	sys_mutex_unlock(&t.lock);
	t.mm->ops->wake(t.mm, (uintptr_t)page(3), 1);
	pthread_join(thread, NULL);
	CHECK(page(3)[0] == 1);
	sys_mutex_lock(&t.lock);
	CHECK(t.state[3] == RAM);
	sys_mutex_unlock(&t.lock);
	unmap_area();
}

/* A waiting thread goes on when device memory is placed at its address. */
static void test_resume(void)
{
	struct mm_place p = { .npages = 1 };
	pthread_t thread;
	char byte;

	p.fd = memfd_create("mm-uffd", MFD_CLOEXEC);
	CHECK(!ftruncate(p.fd, MM_PAGE_SIZE));
	map_area(MADV_NOHUGEPAGE);
	track_area();
	t.state[3] = HELD;
	t.held = 0;
	p.va = (uintptr_t)page(3);
	CHECK(!pthread_create(&thread, NULL, touch, page(3)));
	while (!t.held)
		sys_futex_wait(&t.held, 0, 0);
	p.stamp = t.mm->ops->stamp(t.mm, p.va);
	CHECK(t.mm->ops->place(t.mm, &p) == 1);
	CHECK(t.mm->ops->is_placed(t.mm, p.va, p.fd, 0));
	sys_mutex_lock(&t.lock);
	t.state[3] = RAM;
	sys_mutex_unlock(&t.lock);
	CHECK(!t.mm->ops->resume(t.mm, p.va, 1) || !p.watched);
	pthread_join(thread, NULL);
	CHECK(pread(p.fd, &byte, 1, 0) == 1 && byte == 1);
	p.stamp = t.mm->ops->stamp(t.mm, p.va);
	CHECK(t.mm->ops->unplace(t.mm, &p) == 1);
	CHECK(!t.mm->ops->is_placed(t.mm, p.va, p.fd, 0));
	close(p.fd);
	unmap_area();
}

static sigjmp_buf on_bus;
static volatile sig_atomic_t bus_count;

void bus_handler(int sig, siginfo_t *info, void *context)
{
	bus_count++;
	siglongjmp(on_bus, 1);
}

static bool touch_raises_bus(char *p)
{
	if (sigsetjmp(on_bus, 1))
		return true;
	*(volatile char *)p = 1;
	return false;
}

static void test_poison(void)
{
	struct mm_freeze *f;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 20);
	track_area();
	f = freeze(3, 5, 1);
	CHECK(send_away(f) == 2);
	t.state[3] = LOST;
	CHECK(touch_raises_bus(page(3)));
	CHECK(touch_raises_bus(page(3)));
	CHECK(!touch_raises_bus(page(2)));
	CHECK(!touch_raises_bus(page(4)));
	madvise(page(3), MM_PAGE_SIZE, MADV_DONTNEED);
	CHECK(!touch_raises_bus(page(3)));
	unmap_area();
}

static void test_survey(void)
{
	struct mm_extent e[16];
	uintptr_t p;
	ssize_t n;

	map_area(MADV_NOHUGEPAGE);
	p = (uintptr_t)t.area;
	munmap(page(10), MM_PAGE_SIZE);
	CHECK(mmap(page(20), MM_PAGE_SIZE, PROT_READ,
		   MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == page(20));
	mprotect(page(30), MM_PAGE_SIZE, PROT_READ);
	n = t.mm->ops->survey(t.mm, p, p + AREA, e, 16);
	CHECK(n == 7);
	CHECK(e[0].kind == MM_ANON && e[0].start == p);
	CHECK(e[1].kind == MM_UNMAPPED && e[1].start == (uintptr_t)page(10));
	CHECK(e[2].kind == MM_ANON && e[2].start == (uintptr_t)page(11));
	CHECK(e[3].kind == MM_UNSUPPORTED &&
	      e[3].start == (uintptr_t)page(20) &&
	      e[3].end == (uintptr_t)page(21));
	CHECK(e[4].kind == MM_ANON && e[4].end == (uintptr_t)page(30));
	CHECK(e[5].kind == MM_ANON && e[5].end == (uintptr_t)page(31));
	CHECK(e[6].kind == MM_ANON && e[6].end == p + AREA);
	CHECK(t.mm->ops->survey(t.mm, p, p + AREA, e, 2) == 2);
	munmap(t.area, AREA);
	p = t.mm->ops->slots(t.mm, 1);
	CHECK(t.mm->ops->survey(t.mm, p, p + MM_BLOCK_SIZE, e, 16) == 1);
	CHECK(e[0].kind == MM_UNSUPPORTED);
	p = (uintptr_t)&n & ~(MM_PAGE_SIZE - 1);
	CHECK(t.mm->ops->survey(t.mm, p, p + MM_PAGE_SIZE, e, 16) == 1);
	CHECK(e[0].kind == MM_ANON);
	p = (uintptr_t)test_survey & ~(MM_PAGE_SIZE - 1);
	CHECK(t.mm->ops->survey(t.mm, p, p + MM_PAGE_SIZE, e, 16) == 1);
	CHECK(e[0].kind == MM_UNSUPPORTED);
}

static void test_resident(void)
{
	struct mm_set set;

	map_area(MADV_NOHUGEPAGE);
	fill_area(7, 9, 1);
	fill_area(100, 300, 1);
	CHECK(!t.mm->ops->resident(t.mm, (uintptr_t)t.area, 0, 512, &set));
	CHECK(set_count(&set) == 202);
	CHECK(set_has(&set, 7) && !set_has(&set, 9) && set_has(&set, 299));
	munmap(t.area, AREA);
}

static void test_fill_short(void)
{
	map_area(MADV_NOHUGEPAGE);
	fill_area(5, 6, 1);
	track_area();
	sys_mutex_lock(&t.lock);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(0), t.device, 10) == 5);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(5), t.device, 5) ==
	      -EEXIST);
	CHECK(t.mm->ops->zero(t.mm, (uintptr_t)page(6), 100, true) == 100);
	CHECK(t.mm->ops->zero(t.mm, (uintptr_t)page(106), 100, false) == 100);
	CHECK(t.mm->ops->zero(t.mm, (uintptr_t)page(0), 1, false) == -EEXIST);
	sys_mutex_unlock(&t.lock);
	munmap(page(300), 10 * MM_PAGE_SIZE);
	while (!t.unmapped)
		sys_yield();
	sys_mutex_lock(&t.lock);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(290), t.device, 30) == 10);
	CHECK(t.mm->ops->fill(t.mm, (uintptr_t)page(300), t.device, 1) ==
	      -ENOENT);
	sys_mutex_unlock(&t.lock);
	CHECK(t.faults == 0);
	unmap_area();
}

static void *storm_thread(void *arg)
{
	unsigned *end = arg;

	for (unsigned i = 0; i < *end; i++) {
		char *p = mmap(NULL, MM_PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uintptr_t v = (uintptr_t)p;

		if (t.mm->ops->track(t.mm, v, v + MM_PAGE_SIZE))
			return arg;
		t.mm->ops->zero(t.mm, v, 1, true);
		munmap(p, MM_PAGE_SIZE);
	}
	return NULL;
}

/* Two threads track and unmap, a third migrates: no deadlock, no loss. */
static void test_storm(void)
{
	static unsigned rounds = 300;
	void *error;
	pthread_t thread[2];

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 512, 21);
	track_area();
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, storm_thread, &rounds));
	for (unsigned i = 0; i < 20; i++) {
		CHECK(send_away(freeze(0, 512, 1)) <= 512);
		CHECK(area_is(0, 512, 21));
		t.mm->ops->unprotect(t.mm, (uintptr_t)t.area, 512);
	}
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], &error) && !error);
	unmap_area();
}

/* Or not, for a fork. */
static void hide_area(bool hide)
{
	uintptr_t start = (uintptr_t)t.area;

	t.mm->ops->fork_hide(t.mm, start, start + AREA, hide);
}

/* Once the parent has let go of it, all is unregistered in the child. */
static void become_child(void)
{
	int fd = t.mm->ops->fork_take(t.mm);

	if (fd >= 0)
		close(fd);
	t.mm->ops->child(t.mm);
}

static void test_child(void)
{
	int status;
	pid_t pid;

	map_area(MADV_NOHUGEPAGE);
	fill_area(0, 20, 22);
	track_area();
	CHECK(!t.mm->ops->fork_begin(t.mm));
	hide_area(false);
	pid = fork();
	if (pid == 0) {
		become_child();
		if (!area_is(0, 20, 22))
			_exit(1);
		fill_area(0, 40, 23);
		t.mm->ops->close(t.mm);
		_exit(!area_is(0, 40, 23));
	}
	t.mm->ops->fork_end(t.mm);
	hide_area(true);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(area_is(0, 20, 22));
	unmap_area();
}

test_fn *const event_tests[] = {
	test_events, test_system_calls, test_wait,     test_resume,
	test_poison, test_survey,	test_resident, test_fill_short,
	test_storm,  test_child,	NULL,
};
