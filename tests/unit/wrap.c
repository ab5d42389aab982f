// SPDX-License-Identifier: MIT
/* error, delay and trace do what they say, and forward everything else. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "provider.h"

#define PAGE ((size_t)4096)

static unsigned char page[4 * PAGE], back[4 * PAGE];

static struct test_device wrapped(const char *name, const char *const *pairs)
{
	return wrap_provider(name, open_provider("ram", 64, NULL), pairs);
}

static void check_works(const struct test_device *d)
{
	memset(page, 'p', sizeof(page));
	CHECK_EQ(put_pages(d, 3, page, 4), 0);
	CHECK_EQ(get_pages(d, 3, back, 4), 0);
	CHECK_MEM(back, page, sizeof(page));
	CHECK_EQ(d->desc.ops->clear(d->priv, 4, 1), 0);
	memset(page + PAGE, 0, PAGE);
	CHECK_EQ(get_pages(d, 3, back, 4), 0);
	CHECK_MEM(back, page, sizeof(page));
	if (d->desc.ops->page_free)
		d->desc.ops->page_free(d->priv, 3, 4);
}

static void test_ram(void)
{
	struct test_device d = open_provider("ram", 64, PAIRS("scrub=yes"));
	const char *p;

	check_works(&d);
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	p = d.desc.ops->direct(d.priv, 0, 1);
	CHECK_MEM(p, page, PAGE);
	d.desc.ops->page_free(d.priv, 0, 1);
	CHECK_EQ(p[0], 0);
	close_provider(&d);
	d = open_provider("ram", 64, NULL);
	CHECK(!d.desc.ops->page_free);
	CHECK_EQ((uintptr_t)d.desc.ops->direct(d.priv, 0, 1) % (2 << 20), 0);
	close_provider(&d);
}

static void test_nth(void)
{
	struct test_device d =
		wrapped("error", PAIRS("op=to_ram", "nth=3", "errno=ENODEV"));

	CHECK_EQ(d.desc.npages, 64);
	CHECK(d.desc.flags & UHMM_DEVICE_CONCURRENT);
	CHECK(!d.desc.ops->direct);
	CHECK(!d.desc.ops->page_free);
	check_works(&d); /* reads twice */
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	CHECK_EQ(get_pages(&d, 0, back, 1), -ENODEV);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(get_pages(&d, 0, back, 1), 0);
	close_provider(&d);

	d = wrapped("error", PAIRS("op=to_dev", "nth=2", "count=3"));
	CHECK(d.desc.ops->direct);
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(put_pages(&d, 0, page, 1), -EIO);
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	close_provider(&d);
}

/* A provider that is older than usage() may lie behind a wrapper. */
static void test_usage(void)
{
	struct uhmm_device_usage usage = { .size = sizeof(usage) };
	struct test_device ram = open_provider("ram", 64, NULL);
	struct test_device d = wrap_provider("error", ram, NULL);
	struct uhmm_device_ops old;

	CHECK_EQ(d.desc.ops->usage(d.priv, &usage), 0);
	CHECK(usage.ram < 64 * PAGE);
	CHECK_EQ(put_pages(&ram, 0, page, 1), 0);
	CHECK_EQ(d.desc.ops->usage(d.priv, &usage), 0);
	CHECK(usage.ram >= 64 * PAGE); /* a huge page, or all there is */
	close_provider(&d);

	ram = open_provider("ram", 64, NULL);
	old = *ram.desc.ops;
	old.size = offsetof(struct uhmm_device_ops, usage);
	ram.desc.ops = &old;
	d = wrap_provider("error", ram, NULL);
	CHECK(!d.desc.ops->usage);
	close_provider(&d);
}

/* How many of 1000 calls fail, and in which order: as a hash. */
static unsigned count_failures(const char *seed, uint64_t *ret_hash)
{
	struct test_device d = wrapped("error", PAIRS("op=clear", "rate=1/10",
						      "errno=ENOSPC", seed));
	unsigned failed = 0;

	*ret_hash = 1;
	for (int i = 0; i < 1000; i++) {
		int err = d.desc.ops->clear(d.priv, 0, 1);

		CHECK(!err || err == -ENOSPC);
		failed += err != 0;
		*ret_hash = *ret_hash * 31 + (err != 0);
	}
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	close_provider(&d);
	return failed;
}

static void test_rate(void)
{
	uint64_t a, b, c;
	unsigned n = count_failures("seed=1", &a);
	struct test_device d;

	CHECK(n > 50 && n < 200);
	CHECK_EQ(count_failures("seed=1", &b), n);
	CHECK_EQ(a, b);
	count_failures("seed=2", &c);
	CHECK(a != c);
	d = wrapped("error", NULL); /* everything fails */
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(put_pages(&d, 0, page, 1), -EIO);
		CHECK_EQ(get_pages(&d, 0, page, 1), -EIO);
		CHECK_EQ(d.desc.ops->clear(d.priv, 0, 1), -EIO);
	}
	close_provider(&d);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void test_delay(void)
{
	struct test_device d = wrapped("delay", NULL);
	uint64_t start;

	check_works(&d);
	close_provider(&d);
	d = wrapped("delay",
		    PAIRS("us=2000", "perpage_ns=500000", "op=to_ram"));
	CHECK(!d.desc.ops->direct);
	start = now_us();
	check_works(&d); /* reads 4 pages twice */
	CHECK(now_us() - start >= 8000);
	close_provider(&d);
	d = wrapped("delay", PAIRS("us=50", "op=to_dev"));
	CHECK(d.desc.ops->direct);
	start = now_us();
	CHECK_EQ(put_pages(&d, 0, page, 1), 0);
	CHECK(now_us() - start >= 50);
	close_provider(&d);
}

/* The file's lines, without the times. */
static void read_trace(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	char line[600], *end;

	CHECK(file);
	text[0] = '\0';
	while (fgets(line, sizeof(line), file)) {
		end = strstr(line, " = ");
		if (end && strchr(end + 3, ' '))
			strcpy(strchr(end + 3, ' '), "\n");
		CHECK(strlen(text) + strlen(line) < size);
		strcat(text, line);
	}
	fclose(file);
}

static void test_trace(void)
{
	char path[] = "/tmp/uhmm-trace-XXXXXX", option[64], text[4096];
	struct uhmm_segment many[200];
	struct test_device d;

	close(mkstemp(path));
	snprintf(option, sizeof(option), "file=%s", path);
	d = wrapped("error", PAIRS("op=clear", "nth=2"));
	d = wrap_provider("trace", d, PAIRS(option));
	check_works(&d);
	CHECK_EQ(d.desc.ops->clear(d.priv, 5, 2), -EIO);
	CHECK(d.desc.ops->direct(d.priv, 9, 1));
	for (size_t i = 0; i < 200; i++)
		many[i] = (struct uhmm_segment){ i % 64, page, 1 };
	CHECK_EQ(d.desc.ops->copy_to_devmem(d.priv, many, 200), 0);
	close_provider(&d);
	read_trace(path, text, sizeof(text));
	unlink(path);
	*strstr(text, "to_dev 0+1") = '\0';
	CHECK_STR(text, "to_dev 3+4 = 0\n"
			"to_ram 3+4 = 0\n"
			"clear 4+1 = 0\n"
			"to_ram 3+4 = 0\n"
			"free 3+4 = 0\n"
			"clear 5+2 = -5\n"
			"direct 9+1 = 0\n");
	CHECK(strstr(text + strlen(text) + 1, " more = 0\nrelease\n"));
}

/* An error wrapper counts right when many threads fail at once. */
static struct test_device shared;

static void *fail_some(void *ret)
{
	for (int i = 0; i < 10000; i++)
		*(int *)ret += get_pages(&shared, 0, back, 0) != 0;
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[2];
	int failed[2] = { 0, 0 };

	shared = wrapped("error", PAIRS("nth=1000", "count=5000"));
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fail_some,
					&failed[i]),
			 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(failed[0] + failed[1], 5000);
	close_provider(&shared);
}

int main(void)
{
	test_ram();
	test_usage();
	test_nth();
	test_rate();
	test_delay();
	test_trace();
	test_threads();
	return 0;
}
