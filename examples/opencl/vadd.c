// SPDX-License-Identifier: MIT
/*
 * vadd.c - c = a + b on a device of OpenCL, over plain malloc'd arrays.
 *
 * The arrays are larger than the device: pages come and go as the kernel needs
 * them.  Usage: vadd [SPECIFICATION]
 * cc -o vadd vadd.c $(pkg-config --cflags --libs uhmm-opencl)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/opencl.h>

#define N     ((uint64_t)4 << 20)
#define CHUNK ((uint64_t)16384) /* elements of a work-item */

static const char source[] =
	"__kernel void vadd(UHMM_ARGS, ulong a, ulong b, ulong c, ulong n)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong at = get_global_id(0) * n * 4, left = n * 4;\n"
	"\n"
	"	if (!(uhmm_need(&u, a + at, left, UHMM_READ) &\n"
	"	      uhmm_need(&u, b + at, left, UHMM_READ) &\n"
	"	      uhmm_need(&u, c + at, left, UHMM_WRITE)))\n"
	"		return;\n"
	"	while (left) {\n"
	"		ulong part = left;\n"
	"		__global float *x = uhmm_span(&u, a + at, &part, 0);\n"
	"		__global float *y = uhmm_span(&u, b + at, &part, 0);\n"
	"		__global float *z = uhmm_span(&u, c + at, &part, 1);\n"
	"\n"
	"		for (ulong i = 0; i < part / 4; i++)\n"
	"			z[i] = x[i] + y[i];\n"
	"		at += part;\n"
	"		left -= part;\n"
	"	}\n"
	"	UHMM_END(u);\n"
	"}\n";

static float *array(void)
{
	float *p = malloc(N * sizeof(float));

	if (!p)
		exit(1);
	return p;
}

int main(int argc, char **argv)
{
	struct uhmm_cl_stats stats = { .size = sizeof(stats) };
	const uint64_t chunk = CHUNK;
	float *a = array(), *b = array(), *c = array();
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(a),
		UHMM_CL_PTR(b),
		UHMM_CL_PTR(c),
		UHMM_CL_VAL(chunk),
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { N / CHUNK },
		.args = args,
		.nr_args = 4,
	};
	struct uhmm_cl_kernel *kernel;
	struct uhmm_cl *cl;
	struct uhmm *u;
	int err, wrong = 0;

	if (uhmm_open(NULL, &u))
		return 77;
	err = uhmm_cl_open(u, argc > 1 ? argv[1] : "opencl:16M", &cl);
	if (err)
		return err == -ENODEV ? 77 : 1;
	for (uint64_t i = 0; i < N; i++) {
		a[i] = (float)i;
		b[i] = (float)(N - i);
	}
	err = uhmm_cl_build(cl, source, NULL, "vadd", &kernel);
	if (!err)
		err = uhmm_cl_run(kernel, &launch, &stats);
	if (err) {
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
		return 1;
	}
	printf("%ju faults, %ju rounds, %ju MiB moved\n",
	       (uintmax_t)stats.faults, (uintmax_t)stats.rounds,
	       (uintmax_t)(stats.bytes_in + stats.bytes_out) >> 20);
	for (uint64_t i = 0; i < N; i++)
		wrong += c[i] != (float)N;
	return uhmm_cl_close(cl) || uhmm_close(u) || wrong;
}
