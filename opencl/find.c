// SPDX-License-Identifier: MIT
/* find.c - finds platforms and devices by the numbers of clinfo(1). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cl.h"

unsigned find_platforms(cl_platform_id *ret)
{
	cl_uint nr = 0;

	if (clGetPlatformIDs(MAX_CLS, ret, &nr) != CL_SUCCESS)
		return 0;
	return nr < MAX_CLS ? nr : MAX_CLS;
}

static void describe(struct found *f)
{
	cl_device_type type = 0;

	clGetDeviceInfo(f->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(f->bytes),
			&f->bytes, NULL);
	clGetDeviceInfo(f->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE,
			sizeof(f->max_bytes), &f->max_bytes, NULL);
	clGetDeviceInfo(f->device, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
	clGetDeviceInfo(f->device, CL_DEVICE_NAME, sizeof(f->name) - 1, f->name,
			NULL);
	f->is_cpu = !!(type & CL_DEVICE_TYPE_CPU);
}

int find_device(unsigned platform, unsigned device, struct found *ret)
{
	cl_platform_id platforms[MAX_CLS];
	cl_uint nr = find_platforms(platforms);

	memset(ret, 0, sizeof(*ret));
	if (platform >= nr)
		return -ENODEV;
	ret->platform = platforms[platform];
	if (clGetDeviceIDs(ret->platform, CL_DEVICE_TYPE_ALL, MAX_CLS, ret->all,
			   &ret->nr_all) != CL_SUCCESS)
		return -ENODEV;
	if (ret->nr_all > MAX_CLS)
		ret->nr_all = MAX_CLS;
	if (device >= ret->nr_all)
		return -ENODEV;
	ret->device = ret->all[device];
	describe(ret);
	return 0;
}
