// SPDX-License-Identifier: MIT
/*
 * Each row of the table in uhmm_mirror_add(3): what changes memory, and whether
 * the device is told by itself or the program has to announce it.
 */
#include <sys/wait.h>

#include "../mirror.h"

#define NPAGES 8

static struct test_table t;
static struct uhmm *u;
static struct uhmm_device *dev, *other;
static char *p;

static void enter(void)
{
	test_fault(&t, p, NPAGES, UHMM_FAULT_WRITE);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), NPAGES);
	for (int i = 0; i <= UHMM_NOTIFY_RELEASE; i++)
		t.told[i] = 0;
}

/* A call of ours: what the kernel has reported is known after it. */
static void check_told(enum uhmm_notify why)
{
	CHECK_EQ(uhmm_set_ram_limit(u, 0), 0);
	CHECK(t.told[why] > 0);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
}

static void own_moves(void)
{
	enter();
	test_move(u, p, NPAGES, other);
	check_told(UHMM_NOTIFY_MIGRATE);
	test_move(u, p, NPAGES, dev);
	enter();		   /* on its own memory */
	test_verify(p, NPAGES, 1); /* the CPU touches it */
	check_told(UHMM_NOTIFY_MIGRATE);
}

static void mappings(void)
{
	char *to = test_map_blocks(1);

	enter();
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	check_told(UHMM_NOTIFY_CLEAR);
	enter();
	CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	check_told(UHMM_NOTIFY_UNMAP);
	p = to;
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	test_mirror(u, &t, p, dev);
	enter();
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_stats(u);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), -ENOMEM);
	CHECK(t.told[UHMM_NOTIFY_UNMAP] > 0);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK(mmap(p, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p);
}

static void forks(void)
{
	pid_t pid;

	enter();
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	check_told(UHMM_NOTIFY_PROTECT);
}

static void unregisters(void)
{
	enter();
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	check_told(UHMM_NOTIFY_UNMAP);
}

/* The kernel does not report it: the program does. */
static void announced(void)
{
	enter();
	CHECK_EQ(uhmm_notify_begin(u, p, NPAGES * PAGE, UHMM_NOTIFY_PROTECT),
		 0);
	CHECK_EQ(mprotect(p, NPAGES * PAGE, PROT_READ), 0);
	CHECK_EQ(uhmm_notify_end(u, p, NPAGES * PAGE), 0);
	check_told(UHMM_NOTIFY_PROTECT);
	CHECK_EQ(uhmm_mirror_fault(t.mirror, p, PAGE, UHMM_FAULT_WRITE),
		 -EPERM);
	CHECK_EQ(mprotect(p, NPAGES * PAGE, PROT_READ | PROT_WRITE), 0);
}

static void *fault_thread(void *arg)
{
	test_fault(arg, p, NPAGES, UHMM_FAULT_WRITE);
	return NULL;
}

/* A fault waits until the announced change is done. */
static void waits(void)
{
	unsigned maps = t.maps;
	pthread_t thread;

	CHECK_EQ(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_UNMAP), 0);
	CHECK_EQ(pthread_create(&thread, NULL, fault_thread, &t), 0);
	for (int i = 0; i < 100; i++) {
		test_pfns(u, p, 1);
		CHECK_EQ(t.maps, maps);
	}
	CHECK_EQ(uhmm_notify_end(u, p, PAGE), 0);
	pthread_join(thread, NULL);
	CHECK(t.maps > maps);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:4M");
	other = test_device(u, "ram:4M");
	p = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	test_mirror(u, &t, p, dev);
	own_moves();
	mappings();
	forks();
	unregisters();
	announced();
	waits();
	enter();
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	CHECK_EQ(t.told[UHMM_NOTIFY_RELEASE], 1);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
	test_close(u);
	return 0;
}
