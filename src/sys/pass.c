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
	ssize_t len;
	int fd;

	sys_format(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	fd = sys_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	len = sys_read(fd, buf, room - 1);
	sys_close(fd);
	buf[len > 0 ? len : 0] = '\0';
	return len;
}

static bool is_reader_gone(ssize_t err)
{
	return err == -ENOENT || err == -ESRCH;
}

/* The text behind @name and blanks in a line of @text. */
static const char *value(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	if (!p)
		return "";
	p += strlen(name);
	return p + strspn(p, " \t");
}

static uint64_t number(const char *s, unsigned base)
{
	uint64_t n = 0;

	for (;; s++) {
		unsigned digit = *s >= 'a' ? (unsigned)(*s - 'a') + 10 :
					     (unsigned)(*s - '0');

		if (*s < '0' || digit >= base)
			return n;
		n = n * base + digit;
	}
}

/* CPU time of the thread in ns; 0: unknown. */
static uint64_t has_run(int tid)
{
	char text[MAX_TEXT];

	if (read_text(tid, "schedstat", text, sizeof(text)) <= 0)
		return 0;
	return number(text, 10);
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
	if (len <= 0 || number(value(text, "\nSigPnd:"), 16) & signals)
		return HAS_SIGNAL;
	state = *value(text, "\nState:");
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
