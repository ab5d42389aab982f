// SPDX-License-Identifier: MIT
/*
 * matmul.c - c = a * b, square matrices of floats in plain malloc'd memory.
 *
 * A work-item computes one row of c.  It needs a row of a, and all of b.  The
 * program names the matrices ahead, so that their pages come in one go.
 * Usage: matmul [SPECIFICATION]
 * cc -o matmul matmul.c $(pkg-config --cflags --libs uhmm-opencl)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <uhmm/opencl.h>

#define N   512u
#define LEN (N * N * sizeof(float))

static const char source[] =
	"#define AT(iter, addr, write) \\\n"
	"	((__global float *)uhmm_next(&u, &iter, addr, write))\n"
	"__kernel void matmul(UHMM_ARGS, ulong a, ulong b, ulong c, uint n)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong row = get_global_id(0) * n * 4;\n"
	"	struct uhmm_iter x = UHMM_ITER, y = UHMM_ITER, z = UHMM_ITER;\n"
	"\n"
	"	if (!(uhmm_need(&u, a + row, n * 4, UHMM_READ) &\n"
	"	      uhmm_need(&u, b, n * n * 4, UHMM_READ) &\n"
	"	      uhmm_need(&u, c + row, n * 4, UHMM_WRITE)))\n"
	"		return;\n"
	"	for (uint j = 0; j < n; j++)\n"
	"		*AT(z, c + row + j * 4, UHMM_WRITE) = 0;\n"
	"	for (uint k = 0; k < n; k++) {\n"
	"		float f = *AT(x, a + row + k * 4, UHMM_READ);\n"
	"\n"
	"		for (uint j = 0; j < n; j++)\n"
	"			*AT(z, c + row + j * 4, UHMM_WRITE) += f *\n"
	"				*AT(y, b + (k * n + j) * 4ul, 0);\n"
	"	}\n"
	"	UHMM_END(u);\n"
	"}\n";

/* Small numbers: a sum of their products is exact. */
static float element(unsigned seed, unsigned i, unsigned j)
{
	return (float)((i * 7 + j * 3 + seed) % 16);
}

static float expected(unsigned i, unsigned j)
{
	float sum = 0;

	for (unsigned k = 0; k < N; k++)
		sum += element(1, i, k) * element(2, k, j);
	return sum;
}

int main(int argc, char **argv)
{
	float *a = malloc(LEN), *b = malloc(LEN), *c = malloc(LEN);
	const unsigned n = N;
	const struct uhmm_cl_arg args[] = { UHMM_CL_PTR(a), UHMM_CL_PTR(b),
					    UHMM_CL_PTR(c), UHMM_CL_VAL(n) };
	const struct uhmm_cl_range ranges[] = {
		{ sizeof(*ranges), a, LEN, UHMM_CL_AHEAD },
		{ sizeof(*ranges), b, LEN, UHMM_CL_AHEAD },
		{ sizeof(*ranges), c, LEN, UHMM_CL_AHEAD | UHMM_CL_WRITTEN }
	};
	const struct uhmm_cl_launch launch = { .size = sizeof(launch),
					       .dims = 1,
					       .global = { N },
					       .args = args,
					       .nr_args = 4,
					       .ranges = ranges,
					       .nr_ranges = 3 };
	struct uhmm_cl_kernel *kernel;
	struct uhmm_cl *cl;
	struct uhmm *u;
	int err, wrong = 0;

	if (!a || !b || !c || uhmm_open(NULL, &u))
		return 77;
	err = uhmm_cl_open(u, argc > 1 ? argv[1] : "opencl:16M", &cl);
	if (err)
		return err == -ENODEV ? 77 : 1;
	for (unsigned i = 0; i < N * N; i++) {
		a[i] = element(1, i / N, i % N);
		b[i] = element(2, i / N, i % N);
	}
	err = uhmm_cl_build(cl, source, NULL, "matmul", &kernel);
	if (!err)
		err = uhmm_cl_run(kernel, &launch, NULL);
	if (err)
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
	for (unsigned i = 0; i < N * N; i += 37)
		wrong += c[i] != expected(i / N, i % N);
	return uhmm_cl_close(cl) || uhmm_close(u) || err || wrong;
}
