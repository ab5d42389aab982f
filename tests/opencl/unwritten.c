// SPDX-License-Identifier: MIT
/*
 * A page that a kernel only reads comes home without a copy; a page that a
 * kernel writes to comes home with the written data.  That holds for a page
 * that one kernel has read and the next one writes to, that one kernel reads
 * and writes through one iterator, or that is written through the table of
 * another struct uhmm_cl on the device.  With keep=no all pages are copied.
 */
#include "opencl.h"

#define NPAGES 700

/* Each word of b becomes that of a, plus one. */
static const char source[] =
	"#define WORD(it, addr, write) \\\n"
	"	(__global ulong *)uhmm_next(&u, &it, addr, write)\n"
	"__kernel void plus(UHMM_ARGS, ulong a, ulong b)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	struct uhmm_iter x = UHMM_ITER, y = UHMM_ITER;\n"
	"	ulong at = get_global_id(0) * 4096;\n"
	"\n"
	"	for (uint i = 0; i < 4096; i += 8) {\n"
	"		__global ulong *from = WORD(x, a + at + i, 0), *to;\n"
	"\n"
	"		if (!from || !(to = WORD(y, b + at + i, 1)))\n"
	"			return;\n"
	"		*to = *from + 1;\n"
	"	}\n"
	"	UHMM_END(u);\n"
	"}\n"
	/* Odd words become their neighbour: a page is read, then written to. */
	"__kernel void copy(UHMM_ARGS, ulong a)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	struct uhmm_iter x = UHMM_ITER;\n"
	"	ulong at = a + get_global_id(0) * 4096, v;\n"
	"\n"
	"	for (uint i = 0; i < 4096; i += 16) {\n"
	"		__global ulong *p = WORD(x, at + i, 0);\n"
	"\n"
	"		if (!p)\n"
	"			return;\n"
	"		v = *p;\n"
	"		if (!(p = WORD(x, at + i + 8, 1)))\n"
	"			return;\n"
	"		*p = v;\n"
	"	}\n"
	"	UHMM_END(u);\n"
	"}\n";

static struct uhmm *u;
static struct uhmm_cl_stats stats = { .size = sizeof(stats) };

static void run(struct uhmm_cl *cl, struct uhmm_cl_kernel *k, void *a, void *b,
		uint64_t flags)
{
	const struct uhmm_cl_arg args[] = { UHMM_CL_PTR(a), UHMM_CL_PTR(b) };
	const struct uhmm_cl_range ranges[] = {
		{ sizeof(*ranges), a, NPAGES * PAGE, UHMM_CL_AHEAD },
		{ sizeof(*ranges), b, b ? NPAGES * PAGE : 0,
		  UHMM_CL_AHEAD | UHMM_CL_WRITTEN },
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { NPAGES },
		.args = args,
		.nr_args = b ? 2 : 1,
		.ranges = ranges,
		.nr_ranges = flags ? 2 : 0,
	};
	int err = uhmm_cl_run(k, &launch, &stats);

	if (err)
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
	CHECK_EQ(err, 0);
}

static void check_plus(const uint64_t *a, const uint64_t *b, uint64_t seed)
{
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(b[i], test_word(seed, i) + 1);
	test_verify(a, NPAGES, seed);
}

static void check_copied(const uint64_t *a, uint64_t seed)
{
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(a[i], test_word(seed, i & ~(size_t)1));
}

/* Pages that came home without a copy, once all are there. */
static uint64_t unwritten_since(uint64_t before, struct uhmm_device *dev)
{
	CHECK_SOON(test_info(dev).used == 0);
	CHECK_SOON(test_stats(u).kept_pages == 0);
	return test_stats(u).unwritten - before;
}

/* @ahead: the arrays are named, and nothing is missed. */
static void test_two_arrays(struct uhmm_cl *cl, bool keeps, bool ahead)
{
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, source, "plus");
	uint64_t *a = test_map_blocks(2), *b = test_map_blocks(2);
	uint64_t before = test_stats(u).unwritten;

	test_fill(a, NPAGES, 1);
	test_fill(b, NPAGES, 2);
	run(cl, k, a, b, ahead);
	if (ahead)
		CHECK_EQ(stats.rounds, 1);
	CHECK_EQ(stats.written, NPAGES);
	CHECK_EQ(test_stats(u).kept_pages, keeps ? NPAGES : 0);
	check_plus(a, b, 1);
	CHECK_EQ(unwritten_since(before, uhmm_cl_device(cl)),
		 keeps ? NPAGES : 0);
	/* and once more, with another array to be written to */
	run(cl, k, b, a, ahead);
	test_move(u, a, NPAGES, NULL);
	test_move(u, b, NPAGES, NULL);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(a[i], test_word(1, i) + 2);
	CHECK_EQ(unwritten_since(before, uhmm_cl_device(cl)),
		 keeps ? 2 * NPAGES : 0);
	uhmm_cl_free(k);
}

/* All is there, but what is named to be written to was only read. */
static void test_named(struct uhmm_cl *cl)
{
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, source, "plus");
	uint64_t *a = test_map_blocks(2), *b = test_map_blocks(2);

	test_fill(a, NPAGES, 1);
	run(cl, k, a, b, true);
	run(cl, k, b, a, true);
	CHECK_EQ(stats.rounds, 1);
	CHECK_EQ(stats.faults, 0);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(a[i], test_word(1, i) + 2);
	test_move(u, b, NPAGES, NULL);
	uhmm_cl_free(k);
}

/* Read by @cl, and only then written to by @then. */
static void test_later(struct uhmm_cl *cl, struct uhmm_cl *then)
{
	struct uhmm_cl_kernel *plus = test_cl_kernel(cl, source, "plus");
	struct uhmm_cl_kernel *copy = test_cl_kernel(then, source, "copy");
	uint64_t *a = test_map_blocks(2), *b = test_map_blocks(2);
	uint64_t before = test_stats(u).unwritten;

	test_fill(a, NPAGES, 3);
	run(cl, plus, a, b, 0);
	run(then, copy, a, NULL, 0);
	CHECK_EQ(test_stats(u).kept_pages, 0);
	check_copied(a, 3);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(b[i], test_word(3, i) + 1);
	CHECK_EQ(unwritten_since(before, uhmm_cl_device(cl)), 0);
	uhmm_cl_free(plus);
	uhmm_cl_free(copy);
}

static struct uhmm_cl *open_keeping(const char *keep)
{
	struct uhmm_cl *cl;
	char size[32];

	snprintf(size, sizeof(size), "16M,keep=%s", keep);
	cl = test_cl(u, size);
	return cl;
}

int main(void)
{
	struct uhmm_cl *cl, *second;
	bool keeps;

	u = test_open();
	keeps = test_has(u, "move");
	cl = open_keeping("no");
	test_two_arrays(cl, false, false);
	test_later(cl, cl);
	CHECK_EQ(uhmm_cl_close(cl), 0);

	cl = open_keeping("yes");
	test_two_arrays(cl, keeps, false);
	test_two_arrays(cl, keeps, true);
	test_named(cl);
	test_later(cl, cl);
	CHECK_EQ(uhmm_cl_attach(u, uhmm_cl_device(cl), &second), 0);
	test_later(cl, second);
	test_later(second, cl);
	CHECK_EQ(uhmm_cl_close(second), 0);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
