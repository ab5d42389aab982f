// SPDX-License-Identifier: MIT
/*
 * A program counts on the lowest free descriptor, as when it closes one and
 * opens another in its place: it gets that, also while the library looks at
 * mappings.
 */
#include <fcntl.h>
#include <pthread.h>

#include "../context.h"

#define NPAGES 16
#define ROUNDS 20000

static struct uhmm *u;
static struct uhmm_device *dev;
static atomic_bool stop;

/* Each range is new, so that the library looks at what is mapped there. */
static void *move(void *arg)
{
	while (!stop) {
		char *p = test_map_blocks(1);

		test_fill(p, NPAGES, 1);
		CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) >= 0);
		test_verify(p, NPAGES, 1);
		CHECK_EQ(munmap(p, BLOCK), 0);
	}
	return arg;
}

int main(void)
{
	int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_t t;

	CHECK(lowest >= 0);
	close(lowest);
	u = test_open();
	dev = test_device(u, "ram:16M");
	CHECK_EQ(pthread_create(&t, NULL, move, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK_EQ(open("/dev/null", O_RDONLY | O_CLOEXEC), lowest);
		CHECK_EQ(close(lowest), 0);
	}
	stop = true;
	CHECK_EQ(pthread_join(t, NULL), 0);
	test_close(u);
	return 0;
}
