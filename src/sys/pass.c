/* SPDX-License-Identifier: MIT */
/*
 * pass.c - wait until no other thread is on its way through the kernel.
 *
 * Nothing in the kernel tells that, so it is seen from outside: a thread that
 * sleeps is not on its way, and one that has run for a millisecond has come to
 * the end of what it was about, which takes a microsecond.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/entry.h"
#include "sys/kernel.h"
#include "sys/lock.h"
#include "sys/sys.h"
#include "sys/text.h"

enum {
	MAX_PATH = 64,
	MAX_TEXT = 2048,
	RAN_NS = 1000 * 1000,
	NAP_NS = 200 * 1000,
};

/* Return: length, or -errno; -ENOENT, -ESRCH: the thread is gone. */
static ssize_t read_text(int tid, const char *name, char *buf, size_t room)
{
	char path[MAX_PATH];

	sys_format(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	return sys_text_read(path, buf, room);
}

static bool is_reader_gone(ssize_t err)
{
	return err == -ENOENT || err == -ESRCH;
}

/* CPU time of the thread in ns; 0: unknown. */
static uint64_t has_run(int tid)
{
	char text[MAX_TEXT];

	if (read_text(tid, "schedstat", text, sizeof(text)) <= 0)
		return 0;
	return sys_text_number(text, 10);
}

enum look {
	PASSED,
	RUNS,
	HAS_SIGNAL
};

static enum look look_at_thread(int tid, uint64_t signals)
{
	char text[MAX_TEXT];
	ssize_t len = read_text(tid, "status", text, sizeof(text));
	char state;

	if (is_reader_gone(len))
		return PASSED;
	if (len <= 0 ||
	    sys_text_number(sys_text_line(text, "SigPnd:"), 16) & signals)
		return HAS_SIGNAL;
	state = *sys_text_line(text, "State:");
	return state == 'R' || state == 'D' ? RUNS : PASSED;
}

static bool passes(int tid, uint64_t signals, uint64_t deadline)
{
	uint64_t first = has_run(tid), ran = first;
	_Atomic uint32_t never = 0;
	enum look at;

	while ((at = look_at_thread(tid, signals)) != PASSED) {
		if (at == RUNS && first && ran - first >= RAN_NS)
			return true;
		if (sys_now_ns() > deadline)
			return false;
		sys_futex_wait(&never, 0, NAP_NS);
		ran = has_run(tid);
	}
	return true;
}

bool sys_threads_pass(uint64_t signals, uint64_t timeout_ns)
{
	uint64_t deadline = sys_now_ns() + timeout_ns;
	_Alignas(struct sys_entry) char buf[MAX_TEXT];
	int fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	int self = sys_gettid();
	bool all = fd >= 0;
	ssize_t len = 0;

	while (all && (len = sys_entries(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; all && at < len;) {
			const struct sys_entry *e = (const void *)(buf + at);
			int tid = (int)sys_entry_number(e);

			if (tid && tid != self)
				all = passes(tid, signals, deadline);
			at += e->len;
		}
	}
	sys_close(fd);
	return all && !len;
}
