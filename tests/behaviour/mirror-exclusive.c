// SPDX-License-Identifier: MIT
/*
 * A device has pages for itself: it writes to them where the entry says, the
 * CPU's touch tells it to let go and finds what it wrote.  Nothing moves them
 * meanwhile, and whatever ends them does so with their data.
 */
#include <sys/wait.h>

#include "../mirror.h"

#define NPAGES 40

static struct test_table t, t2;
static struct uhmm *u;
static char *p;

static uint64_t *frame(size_t i)
{
	uhmm_pfn_t pfn = test_entry(&t, p + i * PAGE);

	CHECK(pfn & UHMM_PFN_WRITE);
	CHECK(uhmm_pfn_addr(pfn) != p + i * PAGE);
	return uhmm_pfn_addr(pfn);
}

static void take(void)
{
	test_fault(&t, p, NPAGES, UHMM_FAULT_EXCLUSIVE);
	for (size_t i = 0; i < NPAGES; i++)
		*frame(i) += 1;
}

static uint64_t word(size_t i)
{
	return *(volatile uint64_t *)(p + i * PAGE);
}

static void set_words(void)
{
	for (size_t i = 0; i < NPAGES; i++)
		*(volatile uint64_t *)(p + i * PAGE) = i;
}

static void check_words(uint64_t more)
{
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(word(i), i + more);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
}

static void touched(struct uhmm_device *dev)
{
	set_words();
	take();
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), 0);
	CHECK_EQ(word(3), 4);
	CHECK(t.told[UHMM_NOTIFY_EXCLUSIVE] > 0);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), NPAGES - 1);
	check_words(1);
}

/* A snapshot shows the pages: their data rest in frames. */
static void shown(void)
{
	uhmm_pfn_t pfn[NPAGES];

	CHECK_EQ(uhmm_snapshot(u, p, NPAGES * PAGE, pfn), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(pfn[i],
			 UHMM_PFN_VALID | UHMM_PFN_WRITE | UHMM_PFN_FROZEN);
}

/* Another device that wants it takes it away. */
static void taken_over(void)
{
	set_words();
	take();
	shown();
	test_fault(&t2, p, NPAGES, UHMM_FAULT_WRITE);
	check_words(1);
}

static void ended(void)
{
	char *to = test_map_blocks(1), *from = p;
	pid_t pid;
	int status;

	set_words();
	take();
	pid = fork();
	if (pid == 0)
		_exit(*(volatile uint64_t *)(p + 5 * PAGE) != 6);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	check_words(1);
	set_words();
	take();
	CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(*(volatile uint64_t *)(to + i * PAGE), i + 1);
	CHECK(mremap(to, NPAGES * PAGE, NPAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, from) == from);
	set_words();
	take();
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(word(i), 0);
	set_words();
	take();
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	check_words(1);
	set_words();
	take();
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	check_words(1);
	test_mirror(u, &t, p, NULL);
	set_words();
	take();
}

static void refused(void)
{
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(uhmm_mirror_fault(t.mirror, shared, PAGE,
				   UHMM_FAULT_EXCLUSIVE),
		 -EOPNOTSUPP);
	CHECK_EQ(uhmm_pin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_mirror_fault(t.mirror, p, PAGE, UHMM_FAULT_EXCLUSIVE),
		 -EBUSY);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), 0);
}

int main(void)
{
	struct uhmm_device *dev;

	u = test_open();
	dev = test_device(u, "ram:4M");
	p = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, p, BLOCK), 0); /* stays one mapping */
	test_mirror(u, &t, p, NULL);
	test_mirror(u, &t2, p, dev);
	refused();
	touched(dev);
	taken_over();
	ended();
	test_close(u); /* and what is exclusive then */
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(word(i), i + 1);
	return 0;
}
