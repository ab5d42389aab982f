// SPDX-License-Identifier: MIT
/*
 * histogram.c - how often each byte occurs, counted with atomics into a plain
 * malloc'd array.
 *
 * A work-item that misses a page is run again, but an atomic must not be
 * repeated.  So a work-item first asks for all pages that it needs, and counts
 * when all of them are there.
 *
 * Usage: histogram [SPECIFICATION]
 * cc -o histogram histogram.c $(pkg-config --cflags --libs uhmm-opencl)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/opencl.h>

#define LEN   ((uint64_t)32 << 20)
#define CHUNK ((uint64_t)65536)

static const char source[] =
	"#define BIN(i) \\\n"
	"	(__global uint *)uhmm_at(&u, bins + (i) * 4, UHMM_WRITE)\n"
	"__kernel void count(UHMM_ARGS, ulong data, ulong bins, ulong chunk)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong at = data + get_global_id(0) * chunk, left = chunk;\n"
	"	uint sum[256];\n"
	"\n"
	"	if (!(uhmm_need(&u, at, left, UHMM_READ) &\n"
	"	      uhmm_need(&u, bins, 1024, UHMM_WRITE)))\n"
	"		return;\n"
	"	for (uint i = 0; i < 256; i++)\n"
	"		sum[i] = 0;\n"
	"	while (left) {\n"
	"		ulong part = left;\n"
	"		__global uchar *p = uhmm_span(&u, at, &part, 0);\n"
	"\n"
	"		for (ulong i = 0; i < part; i++)\n"
	"			sum[p[i]]++;\n"
	"		at += part;\n"
	"		left -= part;\n"
	"	}\n"
	"	for (uint i = 0; i < 256; i++)\n"
	"		atomic_add(BIN(i), sum[i]);\n"
	"	UHMM_END(u);\n"
	"}\n";

int main(int argc, char **argv)
{
	struct uhmm_cl_stats stats = { .size = sizeof(stats) };
	const uint64_t chunk = CHUNK;
	unsigned char *data = malloc(LEN);
	uint32_t *bins = calloc(256, sizeof(*bins)), expected[256] = { 0 };
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(data),
		UHMM_CL_PTR(bins),
		UHMM_CL_VAL(chunk),
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { LEN / CHUNK },
		.args = args,
		.nr_args = 3,
	};
	struct uhmm_cl_kernel *kernel;
	struct uhmm_cl *cl;
	struct uhmm *u;
	int err;

	if (!data || !bins || uhmm_open(NULL, &u))
		return 77;
	err = uhmm_cl_open(u, argc > 1 ? argv[1] : "opencl:8M", &cl);
	if (err)
		return err == -ENODEV ? 77 : 1;
	for (uint64_t i = 0; i < LEN; i++) {
		data[i] = (unsigned char)(i * i >> 7);
		expected[data[i]]++;
	}
	err = uhmm_cl_build(cl, source, NULL, "count", &kernel);
	if (!err)
		err = uhmm_cl_run(kernel, &launch, &stats);
	if (err)
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
	else
		printf("%ju faults, %ju rounds, %ju pages evicted\n",
		       (uintmax_t)stats.faults, (uintmax_t)stats.rounds,
		       (uintmax_t)stats.evicted);
	err = err || memcmp(bins, expected, sizeof(expected));
	return uhmm_cl_close(cl) || uhmm_close(u) || err;
}
