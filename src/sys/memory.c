/* SPDX-License-Identifier: MIT */
/* memory.c - what the kernel counts as memory of this process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/fds.h"
#include "sys/kernel.h"
#include "sys/memory.h"

#define TEXT 4096

struct errand {
	bool shares;
	struct sys_memory memory;
	int err;
};

uint64_t sys_memory_field(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	uint64_t n = 0;

	if (!at || (at != text && at[-1] != '\n'))
		return 0;
	for (at += strlen(name); *at == ' ' || *at == '\t'; at++)
		;
	for (; *at >= '0' && *at <= '9'; at++)
		n = n * 10 + (uint64_t)(*at - '0');
	return n << 10; /* from kB */
}

static int read_of_self(const char *path, char *text)
{
	int fd = sys_open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = sys_read(fd, text, TEXT - 1);
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return 0;
}

static void read_memory(void *arg)
{
	struct errand *e = arg;
	char text[TEXT];

	e->err = read_of_self("/proc/self/status", text);
	if (!e->err && !strstr(text, "\nRssAnon:"))
		e->err = -ENOENT;
	if (e->err)
		return;
	e->memory.anon = sys_memory_field(text, "RssAnon:");
	e->memory.shmem = sys_memory_field(text, "RssShmem:");
	e->memory.huge = sys_memory_field(text, "HugetlbPages:");
	if (e->shares && !read_of_self("/proc/self/smaps_rollup", text) &&
	    strstr(text, "\nPss_Shmem:"))
		e->memory.shmem = sys_memory_field(text, "Pss_Shmem:");
}

int sys_memory_read(bool shares, struct sys_memory *ret)
{
	struct errand e = { .shares = shares };

	if (!sys_fds_apart(read_memory, &e, sizeof(e)))
		read_memory(&e);
	if (!e.err)
		*ret = e.memory;
	return e.err;
}
