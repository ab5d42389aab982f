// SPDX-License-Identifier: MIT
/* Memory that cannot be adopted, each with its error. */
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "../object.h"

#define NPAGES 8

static struct uhmm *u;

static int adopt(void *p)
{
	struct uhmm_object *o;

	return uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &o);
}

static void arguments(char *p)
{
	struct uhmm_object *o;

	CHECK_EQ(uhmm_object_adopt(NULL, p, UHMM_OBJECT_SOLE, &o), -EINVAL);
	CHECK_EQ(uhmm_object_adopt(u, NULL, UHMM_OBJECT_SOLE, &o), -EINVAL);
	CHECK_EQ(uhmm_object_adopt(u, p, 0, &o), -EINVAL);
	CHECK_EQ(uhmm_object_adopt(u, p, 3, &o), -EINVAL);
	CHECK_EQ(uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, NULL), -EINVAL);
	CHECK_EQ(uhmm_object_is_mapped(NULL), -EINVAL);
}

static void kinds(void)
{
	int fd = memfd_create("adopt", 0);
	int id = shmget(IPC_PRIVATE, NPAGES * PAGE, IPC_CREAT | 0600);
	char *p;

	CHECK_EQ(adopt(test_map(NPAGES)), -EOPNOTSUPP);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	p = mmap(NULL, NPAGES * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(adopt(p), -EBUSY);
	if (id >= 0) {
		p = shmat(id, NULL, 0);
		shmctl(id, IPC_RMID, NULL);
		CHECK(p != (void *)-1);
		CHECK_EQ(adopt(p), -EOPNOTSUPP);
	}
	p = test_shared(NPAGES);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(adopt(p), -ENOMEM);
}

/* mremap(2) could show the rest again. */
static void longer_than_mapped(void)
{
	char *p = test_shared(NPAGES);

	test_fill(p, NPAGES, 1);
	CHECK_EQ(munmap(p + PAGE, (NPAGES - 1) * PAGE), 0);
	CHECK_EQ(adopt(p), -EFBIG);
	CHECK(mremap(p, PAGE, NPAGES * PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
}

static void locked(void)
{
	char *p = test_shared(NPAGES);

	if (test_mlock(p, PAGE))
		return;
	CHECK_EQ(adopt(p), -EBUSY);
	CHECK_EQ(test_munlock(p, PAGE), 0);
	uhmm_object_destroy(test_adopt(u, p));
}

static void foreign(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	char *p = test_shared(NPAGES);
	struct uffdio_register r = {
		.range = { (uintptr_t)p, NPAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &r), 0);
	CHECK_EQ(adopt(p), -EBUSY);
	close(fd);
	test_fill(p, NPAGES, 1);
	uhmm_object_destroy(test_adopt(u, p));
	test_verify(p, NPAGES, 1);
}

static void from_dev_zero(void)
{
	int fd = open("/dev/zero", O_RDWR);
	char *p = mmap(NULL, NPAGES * PAGE, RW, MAP_SHARED, fd, 0);

	CHECK(fd >= 0 && p != MAP_FAILED);
	close(fd);
	uhmm_object_destroy(test_adopt(u, p));
}

static void no_views_of_ours(void)
{
	char *p = test_shared(NPAGES);
	struct uhmm_object *o;
	void *q;

	test_fill(p, NPAGES, 1);
	o = test_adopt(u, p);
	CHECK_EQ(adopt(p + PAGE), -EEXIST);
	CHECK_EQ(uhmm_object_map(o, 0, PAGE, RW, 0, &q), -EOPNOTSUPP);
	CHECK_EQ(uhmm_unregister(u, p, PAGE), -EOPNOTSUPP);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_verify(p, NPAGES, 1);
}

static void too_many_views(void)
{
	char *p = test_shared(NPAGES);

	test_fill(p, NPAGES, 1);
	for (int i = 0; i < 64; i++)
		test_again(p, NPAGES);
	CHECK_EQ(adopt(p), -ENOSPC);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
}

int main(void)
{
	char *p;

	u = test_open();
	p = test_shared(NPAGES);
	uhmm_object_destroy(test_adopt(u, p)); /* or skip */
	arguments(p);
	kinds();
	longer_than_mapped();
	locked();
	foreign();
	from_dev_zero();
	no_views_of_ours();
	too_many_views();
	test_close(u);
	return 0;
}
