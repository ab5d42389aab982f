// SPDX-License-Identifier: MIT
/*
 * One thread ends what another one uses: an object is destroyed while a part
 * of it is removed, by its address, and while children are made; a device is
 * removed while a change of its memory is announced.  Each call ends, and
 * answers what its contract says; a removal is done whole or not at all; and
 * what else is mapped, also where the object was, keeps its data.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../fixed.h"
#include "../mirror.h"
#include "../object.h"

#include <uhmm/alloc.h>
#include <uhmm/provider.h>

#define NPAGES 16

static struct uhmm *u;
static struct uhmm_device *ram;
static pthread_barrier_t start;

/* ---- Threads ------------------------------------------------------------ */

struct racer {
	int (*run)(void);
	int ret;
};

static void *run_racer(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(&start);
	r->ret = r->run();
	return NULL;
}

/* @a and @b run in threads of their own, @beside in this one. */
static void race(struct racer *a, struct racer *b, void (*beside)(void))
{
	pthread_t t[2];

	CHECK_EQ(pthread_create(&t[0], NULL, run_racer, a), 0);
	CHECK_EQ(pthread_create(&t[1], NULL, run_racer, b), 0);
	pthread_barrier_wait(&start);
	beside();
	CHECK_EQ(pthread_join(t[0], NULL), 0);
	CHECK_EQ(pthread_join(t[1], NULL), 0);
}

/* ---- Objects ------------------------------------------------------------ */

static struct uhmm_object *object;
static char *view, *kept;

static int remove_part(void)
{
	return uhmm_object_remove(u, view, NPAGES * PAGE);
}

static int destroy(void)
{
	return uhmm_object_destroy(object);
}

/* The child has shared memory that is not destroyed. */
static void make_child(void)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		alarm(30);
		test_verify(kept, NPAGES, 2);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* Shared memory that can get the addresses of an object. */
static void map_others(void)
{
	for (int i = 0; i < 8; i++) {
		char *p = test_shared(BLOCK_PAGES);

		*(uint64_t *)p = 3;
		*(uint64_t *)(p + (NPAGES - 1) * PAGE) = 4;
		CHECK_EQ(*(uint64_t *)p, 3);
		CHECK_EQ(*(uint64_t *)(p + (NPAGES - 1) * PAGE), 4);
		CHECK_EQ(munmap(p, BLOCK), 0);
	}
}

static void make_object(bool adopted)
{
	if (adopted) {
		view = test_shared(NPAGES);
		object = test_adopt(u, view);
	} else {
		object = test_object(u, NPAGES);
		view = test_view(object, 0, NPAGES, RW, 0);
	}
	test_fill(view, NPAGES, 1);
	CHECK(uhmm_migrate(u, view, NPAGES / 2 * PAGE, ram) >= 0);
}

static void race_objects(unsigned round)
{
	struct racer remover = { .run = remove_part };
	struct racer ender = { .run = destroy };

	make_object(round % 2);
	race(&remover, &ender, round % 4 < 2 ? map_others : make_child);
	CHECK_EQ(ender.ret, 0);
	if (remover.ret) {
		CHECK_EQ(remover.ret, -EINVAL);
		test_verify(view, NPAGES, 1);
	} else {
		test_verify_zero(view, NPAGES);
	}
	CHECK_EQ(munmap(view, NPAGES * PAGE), 0);
	CHECK(uhmm_migrate(u, kept, NPAGES * PAGE, ram) >= 0);
}

/* ---- Devices ------------------------------------------------------------ */

static struct uhmm_device *dev;
static struct test_table table;
static char *area;
static enum uhmm_notify change;
static int fd;

static int announce(void)
{
	int err = uhmm_notify_begin(u, area, NPAGES * PAGE, change);

	return err ? err : uhmm_notify_end(u, area, NPAGES * PAGE);
}

/* Pages stay where a change is announced. */
static int remove_device(void)
{
	int err;

	do {
		err = uhmm_device_remove(dev);
	} while (err == -EBUSY);
	return err;
}

static void use(void)
{
	uhmm_mirror_fault(table.mirror, area, NPAGES * PAGE, 0);
	test_verify(area, NPAGES, 5);
}

static void race_device(void)
{
	struct racer announcer = { .run = announce };
	struct racer remover = { .run = remove_device };

	race(&announcer, &remover, use);
	CHECK_EQ(announcer.ret, 0);
	CHECK_EQ(remover.ret, 0);
	test_verify(area, NPAGES, 5);
}

/* The CPU uses its memory in place of the program's. */
static void race_placed(void)
{
	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area, NPAGES * PAGE), 0);
	test_fill(area, NPAGES, 5);
	dev = test_device(u, "dax:1M");
	CHECK(uhmm_migrate(u, area, NPAGES * PAGE, dev) >= 0);
	test_mirror(u, &table, area, NULL);
	change = UHMM_NOTIFY_PROTECT;
	race_device();
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	CHECK_EQ(munmap(area, BLOCK), 0);
}

/* The program has mapped its memory by itself. */
static void race_fixed(void)
{
	area = mmap(NULL, NPAGES * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(area != MAP_FAILED);
	test_fill(area, NPAGES, 5);
	dev = test_fixed(u, fd, 0, NPAGES);
	CHECK_EQ(uhmm_device_map(dev, area, NPAGES * PAGE, 0), 0);
	test_mirror(u, &table, area, NULL);
	change = UHMM_NOTIFY_UNMAP;
	race_device();
	CHECK_EQ(test_stats(u).device_pages, test_info(ram).used);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	CHECK_EQ(munmap(area, NPAGES * PAGE), 0);
}

int main(void)
{
	unsigned rounds = test_is_soak() ? 50000 : 200;

	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	ram = test_device(u, "ram:16M");
	fd = memfd_create("fixed", MFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	CHECK_EQ(pthread_barrier_init(&start, NULL, 3), 0);
	kept = test_shared(NPAGES);
	test_adopt(u, kept);
	test_fill(kept, NPAGES, 2);
	for (unsigned round = 0; round < rounds; round++) {
		race_objects(round);
		if (round % 2)
			race_placed();
		else
			race_fixed();
	}
	test_verify(kept, NPAGES, 2);
	test_close(u);
	return 0;
}
