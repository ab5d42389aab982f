// SPDX-License-Identifier: MIT
/* alloc.c - memory for the application, on a device from the start. */
#include <errno.h>
#include <sys/mman.h>

#include <uhmm/alloc.h>
#include <uhmm/provider.h>

#include "sys/kernel.h"

#define HUGE_SIZE ((size_t)2 << 20)

/* Aligned to huge pages, if there is one in it. */
static int map(size_t len, uintptr_t *ret)
{
	size_t more = len < HUGE_SIZE ? 0 : HUGE_SIZE - uhmm_page_size();
	uintptr_t start, end;
	int err;

	if (len + more < len)
		return -ENOMEM;
	err = sys_mmap(0, len + more, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, &start);
	if (err)
		return err;
	end = start + len + more;
	*ret = more ? (start + more) & ~(HUGE_SIZE - 1) : start;
	if (*ret > start)
		sys_munmap(start, *ret - start);
	if (*ret + len < end)
		sys_munmap(*ret + len, end - *ret - len);
	return 0;
}

static int place(struct uhmm *u, void *p, size_t len, struct uhmm_device *dev)
{
	ssize_t n;
	int err = uhmm_register(u, p, len);

	if (err || !dev)
		return err;
	n = uhmm_prefer(u, p, len, dev);
	return n < 0 ? (int)n : 0;
}

static int check_alloc_device(struct uhmm_device *dev)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	int err = dev ? uhmm_device_query(dev, &info) : 0;

	return !err && info.flags & UHMM_DEVICE_FIXED ? -EINVAL : err;
}

static size_t whole_pages(size_t len)
{
	return (len + uhmm_page_size() - 1) & ~(uhmm_page_size() - 1);
}

int uhmm_alloc(struct uhmm *u, size_t len, struct uhmm_device *dev,
	       void **ret_p)
{
	size_t size = whole_pages(len);
	uintptr_t p;
	int err;

	if (!u || !ret_p || !len)
		return -EINVAL;
	err = check_alloc_device(dev);
	if (err)
		return err;
	if (size < len)
		return -ENOMEM;
	err = map(size, &p);
	if (err)
		return err;
	err = place(u, (void *)p, size, dev);
	if (err)
		sys_munmap(p, size);
	else
		*ret_p = (void *)p;
	return err;
}

int uhmm_free(struct uhmm *u, void *p, size_t len)
{
	uintptr_t start = (uintptr_t)p;
	size_t size = whole_pages(len);

	if (!p)
		return 0;
	if (!u || !len || start % uhmm_page_size() || size < len ||
	    start + size < start)
		return -EINVAL;
	sys_munmap(start, size);
	return 0;
}
