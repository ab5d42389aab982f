// SPDX-License-Identifier: MIT
/* Bad arguments about charge groups are refused, and nothing has changed. */
#include "../group.h"

static struct uhmm *u, *other;

static void test_create(void)
{
	static const char *const names[] = {
		NULL,
		"",
		"a b",
		"a\n",
		"a/b",
		"\xff",
		"0123456789012345678901234567890x",
	};
	struct uhmm_group *root = uhmm_group_root(u), *g = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		CHECK_EQ(uhmm_group_create(u, NULL, names[i], &g), -EINVAL);
	CHECK_EQ(uhmm_group_create(NULL, NULL, "a", &g), -EINVAL);
	CHECK_EQ(uhmm_group_create(u, NULL, "a", NULL), -EINVAL);
	CHECK_EQ(uhmm_group_create(u, uhmm_group_root(other), "a", &g),
		 -EINVAL);
	CHECK(!g);
	CHECK_EQ(test_ask(root, NULL).nr_children, 0);
	CHECK_STR(test_ask(root, NULL).name, "/");
	CHECK(!uhmm_group_root(NULL));
}

static void test_limits(void)
{
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_device *far = test_device(other, "ram:1M");
	struct uhmm_group *g = test_group(u, NULL, "g");
	struct uhmm_group_info info = { .size = 1 };

	CHECK_EQ(uhmm_group_set_limit(NULL, NULL, 0), -EINVAL);
	CHECK_EQ(uhmm_group_set_limit(g, NULL, 1), -EINVAL);
	CHECK_EQ(uhmm_group_set_limit(g, far, PAGE), -EINVAL);
	CHECK_EQ(uhmm_group_query(g, NULL, &info), -EINVAL);
	info.size = sizeof(info);
	CHECK_EQ(uhmm_group_query(g, far, &info), -EINVAL);
	CHECK_EQ(uhmm_group_query(NULL, NULL, &info), -EINVAL);
	CHECK_EQ(uhmm_group_query(g, NULL, NULL), -EINVAL);
	CHECK_EQ(test_ask(g, dev).limit, 0);
	test_limit(g, dev, PAGE); /* not for the next device of its number */
	CHECK_EQ(uhmm_device_remove(dev), 0);
	dev = test_device(u, "ram:1M");
	CHECK_EQ(test_ask(g, dev).limit, 0);
	CHECK_EQ(uhmm_group_destroy(g), 0);
}

static void test_charge(void)
{
	struct uhmm_group *g = test_group(u, NULL, "g");
	char *p = test_map(8), *file;
	FILE *f = tmpfile();

	CHECK(f);
	file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f),
		    0);
	CHECK(file != MAP_FAILED);
	CHECK_EQ(uhmm_charge(NULL, p, PAGE, NULL), -EINVAL);
	CHECK_EQ(uhmm_charge(u, p + 1, PAGE, g), -EINVAL);
	CHECK_EQ(uhmm_charge(u, p, 0, g), -EINVAL);
	CHECK_EQ(uhmm_charge(u, p, PAGE, uhmm_group_root(other)), -EINVAL);
	CHECK_EQ(uhmm_charge(u, file, PAGE, g), -EOPNOTSUPP);
	CHECK_EQ(munmap(p + 4 * PAGE, PAGE), 0);
	CHECK_EQ(uhmm_charge(u, p, 8 * PAGE, g), -ENOMEM);
	test_fill(p, 4, 1);
	CHECK_EQ(test_ask(g, NULL).pages, 0);
	CHECK_EQ(uhmm_charge(u, p, 4 * PAGE, g), 0);
	CHECK_PAGES(g, NULL, 4);
	CHECK_EQ(uhmm_charge(u, p, 4 * PAGE, NULL), 0);
	CHECK_EQ(uhmm_group_destroy(g), 0);
	CHECK_EQ(uhmm_group_destroy(NULL), 0);
	CHECK_EQ(uhmm_group_destroy(uhmm_group_root(u)), -EINVAL);
	fclose(f);
}

/* Numbers of groups that are gone are used again. */
static void test_many(void)
{
	struct uhmm_group *g[10];

	for (int i = 0; i < 10000; i++) {
		if (i >= 10)
			CHECK_EQ(uhmm_group_destroy(g[i % 10]), 0);
		g[i % 10] = test_group(u, NULL, "many");
	}
	CHECK_EQ(test_ask(uhmm_group_root(u), NULL).nr_children, 10);
}

int main(void)
{
	u = test_open();
	other = test_open();
	test_create();
	test_limits();
	test_charge();
	test_many();
	test_close(other);
	test_close(u);
	return 0;
}
