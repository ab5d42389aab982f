// SPDX-License-Identifier: MIT
/*
 * A device of OpenCL.
 *
 * Three comparisons: moves in runs of 2 MiB with OpenCL's copies; a stream
 * through the page table with one through a buffer; a pass over memory that the
 * kernel faults in with a copy before the kernel.
 *
 * The tool does not link OpenCL.  The provider's module does, and the symbols
 * of the module and of OpenCL are looked up through it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <uhmm/opencl.h>
#include <uhmm/provider.h>

#include "harness.h"

#define CHUNK ((uint64_t)65536) /* bytes of a work-item */
/* keep=no: each move copies, as a move without a copy takes no time. */
#define OPENCL	"opencl:%juM,platform=0,device=0,keep=no"
#define LARGEST (1024 * MIB)

static const char ours_source[] =
	"__kernel void sum(UHMM_ARGS, ulong data, ulong out, ulong chunk)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong at = data + get_global_id(0) * chunk, left = chunk;\n"
	"	ulong result = get_global_id(0) * 8 + out, sum = 0;\n"
	"	if (!(uhmm_need(&u, at, left, UHMM_READ) &\n"
	"	      uhmm_need(&u, result, 8, UHMM_WRITE)))\n"
	"		return;\n"
	"	while (left) {\n"
	"		ulong part = left;\n"
	"		__global ulong *p = uhmm_span(&u, at, &part, 0);\n"
	"		for (ulong i = 0; i < part / 8; i++)\n"
	"			sum += p[i];\n"
	"		at += part;\n"
	"		left -= part;\n"
	"	}\n"
	"	*(__global ulong *)uhmm_at(&u, result, UHMM_WRITE) = sum;\n"
	"	UHMM_END(u);\n"
	"}\n";

static const char flat_source[] =
	"__kernel void sum(__global ulong *data, __global ulong *out,\n"
	"		  ulong chunk)\n"
	"{\n"
	"	ulong sum = 0;\n"
	"	__global ulong *p = data + get_global_id(0) * (chunk / 8);\n"
	"	for (ulong i = 0; i < chunk / 8; i++)\n"
	"		sum += p[i];\n"
	"	out[get_global_id(0)] = sum;\n"
	"}\n";

#define MEMBER(name) __typeof__(&(name)) name

static struct {
	MEMBER(uhmm_cl_attach);
	MEMBER(uhmm_cl_build);
	MEMBER(uhmm_cl_close);
	MEMBER(uhmm_cl_run);
	MEMBER(uhmm_cl_message);
	MEMBER(clGetPlatformIDs);
	MEMBER(clGetDeviceIDs);
	MEMBER(clCreateContext);
	MEMBER(clCreateCommandQueue);
	MEMBER(clCreateBuffer);
	MEMBER(clCreateProgramWithSource);
	MEMBER(clBuildProgram);
	MEMBER(clCreateKernel);
	MEMBER(clSetKernelArg);
	MEMBER(clEnqueueWriteBuffer);
	MEMBER(clEnqueueReadBuffer);
	MEMBER(clEnqueueNDRangeKernel);
	MEMBER(clFinish);
	MEMBER(clReleaseMemObject);
	MEMBER(clReleaseKernel);
	MEMBER(clReleaseProgram);
	MEMBER(clReleaseCommandQueue);
	MEMBER(clReleaseContext);
} fn;

/*
 * @mine: moved by uhmm; @theirs: copied to and from the buffer
 * @flat: the same in huge pages
 * @moved: bytes of @mine that are moved, 2 MiB a call
 * @out: a sum for each work-item
 */
struct bench_cl {
	struct ours ours;
	struct uhmm_cl *cl;
	struct uhmm_cl_kernel *kernel;
	cl_context context;
	cl_command_queue queue;
	cl_program program;
	cl_kernel flat_kernel;
	cl_mem flat, flat_out;
	char *mine, *theirs;
	uint64_t *out;
	size_t len, moved;
};

/* ---- The module -------------------------------------------------------- */

static bool find_functions(void)
{
	/* The module is loaded already: open it by its name. */
	void *module = dlopen("libuhmm-opencl.so.0", RTLD_NOW | RTLD_NOLOAD);

#define FIND(name) (fn.name = dlsym(module, #name))
	return module && FIND(uhmm_cl_attach) && FIND(uhmm_cl_build) &&
	       FIND(uhmm_cl_close) && FIND(uhmm_cl_run) &&
	       FIND(uhmm_cl_message) && FIND(clGetPlatformIDs) &&
	       FIND(clGetDeviceIDs) && FIND(clCreateContext) &&
	       FIND(clCreateCommandQueue) && FIND(clCreateBuffer) &&
	       FIND(clCreateProgramWithSource) && FIND(clBuildProgram) &&
	       FIND(clCreateKernel) && FIND(clSetKernelArg) &&
	       FIND(clEnqueueWriteBuffer) && FIND(clEnqueueReadBuffer) &&
	       FIND(clEnqueueNDRangeKernel) && FIND(clFinish) &&
	       FIND(clReleaseMemObject) && FIND(clReleaseKernel) &&
	       FIND(clReleaseProgram) && FIND(clReleaseCommandQueue) &&
	       FIND(clReleaseContext);
}

static void note_largest(void *arg, const struct uhmm_found *found)
{
	uint64_t *largest = arg;

	if (strstr(found->spec, "platform=0,device=0"))
		*largest = found->max_bytes;
}

/* The largest buffer of the device in bytes; 0: there is no device. */
static uint64_t device_largest(void)
{
	const struct uhmm_provider *p = NULL;
	uint64_t largest = 0;
	char why[256];

	if (uhmm_module_load("opencl", why, sizeof(why)))
		return 0;
	while ((p = uhmm_provider_next(p)))
		if (!strcmp(p->name, "opencl") && p->list)
			(void)p->list(note_largest, &largest, why, sizeof(why));
	return largest;
}

static size_t free_memory(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib << 10;
}

/* There are four copies of the data. */
static size_t choose_len(struct bench_run *run)
{
	size_t len = bench_quick(run) ? 32 * MIB : LARGEST;
	uint64_t largest = device_largest();

	while (len > 4 * MIB &&
	       (len + 4 * MIB > largest || len > free_memory() / 6))
		len /= 2;
	return len + 4 * MIB > largest ? 0 : len;
}

/* ---- The bare side ----------------------------------------------------- */

static void check_cl(cl_int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr,
		"uhmm bench: %s failed: OpenCL error %d; see clinfo(1)\n", what,
		err);
	exit(EXIT_FAILURE);
}

static void flat_open(struct bench_cl *b)
{
	const char *source = flat_source;
	const cl_ulong chunk = CHUNK;
	cl_platform_id platform;
	cl_device_id device;
	cl_int err;

	check_cl(fn.clGetPlatformIDs(1, &platform, NULL), "platform");
	check_cl(fn.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device,
				   NULL),
		 "device");
	b->context = fn.clCreateContext(NULL, 1, &device, NULL, NULL, &err);
	check_cl(err, "clCreateContext");
	b->queue = fn.clCreateCommandQueue(b->context, device, 0, &err);
	check_cl(err, "clCreateCommandQueue");
	b->program = fn.clCreateProgramWithSource(b->context, 1, &source, NULL,
						  &err);
	check_cl(err, "clCreateProgramWithSource");
	check_cl(fn.clBuildProgram(b->program, 1, &device, "", NULL, NULL),
		 "clBuildProgram");
	b->flat_kernel = fn.clCreateKernel(b->program, "sum", &err);
	check_cl(err, "clCreateKernel");
	b->flat = fn.clCreateBuffer(b->context, CL_MEM_READ_WRITE, b->len, NULL,
				    &err);
	check_cl(err, "clCreateBuffer");
	b->flat_out = fn.clCreateBuffer(b->context, CL_MEM_READ_WRITE,
					b->len / CHUNK * 8, NULL, &err);
	check_cl(err, "clCreateBuffer");
	fn.clSetKernelArg(b->flat_kernel, 0, sizeof(b->flat), &b->flat);
	fn.clSetKernelArg(b->flat_kernel, 1, sizeof(b->flat_out), &b->flat_out);
	fn.clSetKernelArg(b->flat_kernel, 2, sizeof(chunk), &chunk);
}

static void flat_close(struct bench_cl *b)
{
	fn.clReleaseMemObject(b->flat);
	fn.clReleaseMemObject(b->flat_out);
	fn.clReleaseKernel(b->flat_kernel);
	fn.clReleaseProgram(b->program);
	fn.clReleaseCommandQueue(b->queue);
	fn.clReleaseContext(b->context);
}

/* Blocking, as a move is. */
static void flat_copy(struct bench_cl *b, size_t at, size_t len, bool in)
{
	cl_int err = in ? fn.clEnqueueWriteBuffer(b->queue, b->flat, CL_TRUE,
						  at, len, b->theirs + at, 0,
						  NULL, NULL) :
			  fn.clEnqueueReadBuffer(b->queue, b->flat, CL_TRUE, at,
						 len, b->theirs + at, 0, NULL,
						 NULL);

	check_cl(err, "copy");
}

static void flat_run(struct bench_cl *b)
{
	size_t global = b->len / CHUNK;

	check_cl(fn.clEnqueueNDRangeKernel(b->queue, b->flat_kernel, 1, NULL,
					   &global, NULL, 0, NULL, NULL),
		 "kernel");
	check_cl(fn.clFinish(b->queue), "clFinish");
}

/* ---- Our side ---------------------------------------------------------- */

static void mine_run(struct bench_cl *b)
{
	const uint64_t chunk = CHUNK;
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(b->mine),
		UHMM_CL_PTR(b->out),
		UHMM_CL_VAL(chunk),
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { b->len / CHUNK },
		.args = args,
		.nr_args = 3,
	};
	int err = fn.uhmm_cl_run(b->kernel, &launch, NULL);

	if (err)
		bench_die(fn.uhmm_cl_message(b->cl), err);
}

static int mine_open(struct bench_cl *b)
{
	struct uhmm_params p = { .fault_mode = UHMM_FAULTS_AUTO };
	char spec[64];
	int err;

	snprintf(spec, sizeof(spec), OPENCL, (uintmax_t)(b->len / MIB + 2));
	err = ours_open(&b->ours, &p, spec);
	if (err)
		return err;
	err = fn.uhmm_cl_attach(b->ours.u, b->ours.dev, &b->cl);
	if (!err)
		err = fn.uhmm_cl_build(b->cl, ours_source, "", "sum",
				       &b->kernel);
	if (err)
		bench_die("kernel", err);
	return 0;
}

static uint64_t checksum(const struct bench_cl *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < b->len / CHUNK; i++)
		sum += b->out[i];
	return sum;
}

/* ---- Rounds ------------------------------------------------------------ */

struct times {
	uint64_t in, out, stream, cold;
};

static uint64_t lap(uint64_t *start)
{
	uint64_t now = now_ns(), took = now - *start;

	*start = now;
	return took;
}

/* Moves and copies take turns block by block. */
static void move_round(struct bench_cl *b, bool in, uint64_t *flat,
		       uint64_t *mine)
{
	*flat = *mine = 0;
	for (size_t at = 0; at < b->moved; at += BLOCK) {
		uint64_t start = now_ns();

		flat_copy(b, at, BLOCK, in);
		*flat += lap(&start);
		ours_move(&b->ours, b->mine + at, BLOCK,
			  in ? b->ours.dev : NULL);
		*mine += lap(&start);
	}
}

static struct times flat_round(struct bench_cl *b)
{
	struct times t;
	uint64_t start = now_ns();

	flat_copy(b, 0, b->len, true);
	flat_run(b);
	t.cold = lap(&start);
	flat_run(b);
	t.stream = lap(&start);
	return t;
}

/* All pages are in RAM before and after. */
static struct times mine_round(struct bench_cl *b)
{
	struct times t;
	uint64_t start = now_ns();

	mine_run(b);
	t.cold = lap(&start);
	mine_run(b);
	t.stream = lap(&start);
	ours_move(&b->ours, b->mine, b->len, NULL);
	return t;
}

struct figures {
	struct result in, out, stream, cold;
};

static void one_round(struct bench_cl *b, struct figures *f)
{
	struct times flat = flat_round(b), mine = mine_round(b);

	move_round(b, true, &flat.in, &mine.in);
	move_round(b, false, &flat.out, &mine.out);
	result_add(&f->in, gbps(b->moved, mine.in), gbps(b->moved, flat.in));
	result_add(&f->out, gbps(b->moved, mine.out), gbps(b->moved, flat.out));
	result_add(&f->stream, gbps(b->len, mine.stream),
		   gbps(b->len, flat.stream));
	result_add(&f->cold, (double)mine.cold / 1e3, (double)flat.cold / 1e3);
}

static void map_memory(struct bench_cl *b)
{
	b->mine = map_pages(b->len, true);
	b->theirs = map_pages(b->len, true);
	b->out = map_pages(BLOCK, false);
	touch(b->mine, b->len, 1);
	touch(b->theirs, b->len, 1);
	touch(b->out, BLOCK, 0);
}

static void measure(struct bench_run *run, struct bench_cl *b)
{
	struct figures f = { 0 };

	one_round(b, &f); /* warm up: memory is touched, kernels are compiled */
	memset(&f, 0, sizeof(f));
	for (unsigned r = 0; r < rounds(run, 7); r++)
		one_round(b, &f);
	if (checksum(b) != b->len / PAGE)
		bench_die("the kernel's sum is wrong", EIO);
	at_least(run, "opencl-in", ALONE, "GB/s", 0.90, &f.in);
	at_least(run, "opencl-out", ALONE, "GB/s", 0.90, &f.out);
	at_least(run, "opencl-stream", ALONE, "GB/s", 0.80, &f.stream);
	at_most(run, "opencl-cold", ALONE, "us", 2.00, &f.cold);
}

static int opencl(struct bench_run *run)
{
	struct bench_cl b = { .len = choose_len(run) };
	int err;

	if (!b.len || !find_functions())
		return -EOPNOTSUPP;
	b.moved = b.len < 32 * MIB ? b.len : 32 * MIB;
	unpin();
	err = mine_open(&b);
	if (err)
		return err;
	flat_open(&b);
	map_memory(&b);
	measure(run, &b);
	flat_close(&b);
	fn.uhmm_cl_close(b.cl);
	ours_close(&b.ours);
	munmap(b.mine, b.len);
	munmap(b.theirs, b.len);
	munmap(b.out, BLOCK);
	return 0;
}

const struct bench bench_opencl = {
	"opencl",
	"moves and kernels of an OpenCL device",
	opencl,
};
