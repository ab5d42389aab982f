// SPDX-License-Identifier: MIT
/*
 * Ranges with nothing in them that can be managed are -EOPNOTSUPP: the vdso,
 * files, shared memory, also when several of them adjoin.
 */
#include <fcntl.h>
#include <sys/auxv.h>

#include "../context.h"

static struct uhmm *u;
static struct uhmm_device *dev;

static void check_special(void *addr, size_t len)
{
	CHECK_EQ(uhmm_migrate(u, addr, len, dev), -EOPNOTSUPP);
	CHECK_EQ(uhmm_register(u, addr, len), -EOPNOTSUPP);
	CHECK_EQ(uhmm_pin(u, addr, len), -EOPNOTSUPP);
}

int main(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	void *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	char *p = test_map(4);

	u = test_open();
	dev = test_device(u, "ram:1M");
	if (vdso)
		check_special(vdso, PAGE);
	check_special((void *)((uintptr_t)main & ~(PAGE - 1)), PAGE);

	CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
		   0) == p);
	p[0] = 'x'; /* copied on write: a page of our own in a file mapping */
	CHECK(mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + PAGE);
	check_special(p, PAGE);
	check_special(p + PAGE, PAGE);
	check_special(p, 2 * PAGE);
	CHECK_EQ(uhmm_register(u, p, 4 * PAGE), -EOPNOTSUPP);
	CHECK_EQ(p[0], 'x');
	CHECK_EQ(memcmp(p + 1, "ELF", 3), 0);
	test_close(u);
	return 0;
}
