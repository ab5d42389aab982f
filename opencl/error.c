// SPDX-License-Identifier: MIT
/* error.c - turns OpenCL's errors into -errno. */
#include <errno.h>

#include "cl.h"

/* The headers of OpenCL 1.2 lack it: the driver lost the device. */
#define LOST_CONTEXT_NV (-9999)

static const struct {
	cl_int cl;
	int err;
	const char *name;
} errors[] = {
	{ CL_DEVICE_NOT_FOUND, -ENODEV, "no device found" },
	{ CL_DEVICE_NOT_AVAILABLE, -ENODEV, "device not available" },
	{ CL_COMPILER_NOT_AVAILABLE, -EOPNOTSUPP, "no compiler" },
	{ CL_MEM_OBJECT_ALLOCATION_FAILURE, -ENOMEM, "no device memory" },
	{ CL_OUT_OF_RESOURCES, -ENOMEM, "out of resources" },
	{ CL_OUT_OF_HOST_MEMORY, -ENOMEM, "out of host memory" },
	{ CL_BUILD_PROGRAM_FAILURE, -ENOEXEC, "the program does not build" },
	{ CL_INVALID_BUILD_OPTIONS, -EINVAL, "invalid build options" },
	{ CL_INVALID_BUFFER_SIZE, -ENOMEM, "larger than a buffer may be" },
	{ CL_INVALID_KERNEL_NAME, -ENOENT, "no kernel of this name" },
	{ CL_INVALID_KERNEL_ARGS, -EINVAL, "fewer or more than it has" },
	{ CL_INVALID_ARG_INDEX, -EINVAL, "more arguments than it has" },
	{ CL_INVALID_ARG_VALUE, -EINVAL, "an argument has a wrong value" },
	{ CL_INVALID_ARG_SIZE, -EINVAL, "an argument has a wrong size" },
	{ CL_INVALID_WORK_GROUP_SIZE, -EINVAL, "the group is too large" },
	{ CL_INVALID_WORK_ITEM_SIZE, -EINVAL, "the group is too large" },
	{ CL_INVALID_CONTEXT, -ENODEV, "the context is lost" },
	{ CL_INVALID_COMMAND_QUEUE, -ENODEV, "the queue is lost" },
	{ CL_INVALID_DEVICE, -ENODEV, "the device is lost" },
	{ CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, -EIO,
	  "a command failed" },
	{ -1001, -ENODEV, "no platform is installed" },
	{ LOST_CONTEXT_NV, -ENODEV, "the device is lost" },
};

int cl_errno(cl_int err)
{
	if (err == CL_SUCCESS)
		return 0;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].cl == err)
			return errors[i].err;
	return -EIO;
}

const char *cl_error_name(cl_int err)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].cl == err)
			return errors[i].name;
	return "OpenCL failed";
}
