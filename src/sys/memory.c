/* SPDX-License-Identifier: MIT */
/* memory.c - what the kernel counts as memory of this process. */
#include <errno.h>

#include "sys/fds.h"
#include "sys/memory.h"
#include "sys/text.h"

#define TEXT 4096

struct errand {
	bool shares;
	struct sys_memory memory;
	int err;
};

uint64_t sys_memory_field(const char *text, const char *name)
{
	return sys_text_number(sys_text_line(text, name), 10) << 10; /* kB */
}

static void read_memory(void *arg)
{
	struct errand *e = arg;
	char text[TEXT];
	ssize_t len;

	len = sys_text_read("/proc/thread-self/status", text, sizeof(text));
	e->err = len < 0 ? (int)len : 0;
	if (!e->err && !*sys_text_line(text, "RssAnon:"))
		e->err = -ENOENT;
	if (e->err)
		return;
	e->memory.anon = sys_memory_field(text, "RssAnon:");
	e->memory.shmem = sys_memory_field(text, "RssShmem:");
	e->memory.huge = sys_memory_field(text, "HugetlbPages:");
	if (e->shares &&
	    sys_text_read("/proc/thread-self/smaps_rollup", text,
			  sizeof(text)) > 0 &&
	    *sys_text_line(text, "Pss_Shmem:"))
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
