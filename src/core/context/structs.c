/* SPDX-License-Identifier: MIT */
/* structs.c - see structs.h */
#include "core/context/structs.h"

#include <errno.h>
#include <string.h>

int check_struct(const void *p, size_t ksize, size_t usize)
{
	const char *tail = (const char *)p;

	if (usize < sizeof(size_t))
		return -EINVAL;
	for (size_t i = ksize; i < usize; i++)
		if (tail[i])
			return -E2BIG;
	return 0;
}

int check_entries(const void *list, size_t ksize, size_t nr)
{
	if (!nr)
		return 0;
	return list ? check_struct(list, ksize, *(const size_t *)list) :
		      -EINVAL;
}

void put_entry(void *list, size_t i, const void *entry, size_t ksize)
{
	size_t usize = *(const size_t *)list;
	char *to = (char *)list + i * usize;

	memset(to, 0, usize);
	memcpy(to, entry, usize < ksize ? usize : ksize);
	memcpy(to, &usize, sizeof(usize));
}

int copy_struct(void *dst, size_t ksize, const void *src, size_t usize)
{
	size_t n = usize < ksize ? usize : ksize;
	int err = check_struct(src, ksize, usize);

	if (err)
		return err;
	memset(dst, 0, ksize);
	memcpy(dst, src, n);
	return 0;
}
