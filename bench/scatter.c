// SPDX-License-Identifier: MIT
/*
 * Every other page of 4 KiB leaves, while a second thread runs.
 *
 * "between": the pages between are away already, as after random touches of
 * away memory.  "pinned": the pages between are in RAM and stay.  The cost is
 * the number of TLB flushes on the other CPU, so a parent also counts the calls
 * that flush, by ptrace(2).  The bar of 1.5 us a page was set where the bare
 * program needs 1.2: 1.25.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>
#include <linux/userfaultfd.h>

#include "bare.h"
#include "harness.h"

#define LEN (16 * MIB)

struct scatter {
	struct ours ours;
	char *mem;
	size_t len;
	bool pinned;
};

static void pin_odd(struct scatter *s)
{
	for (size_t i = PAGE; i < s->len; i += 2 * PAGE) {
		int err = uhmm_pin(s->ours.u, s->mem + i, PAGE);

		if (err)
			bench_die("uhmm_pin", err);
	}
}

/* All even pages are in RAM; the odd ones too (pinned), or away. */
static void prepare(struct scatter *s)
{
	if (s->pinned) {
		ours_move(&s->ours, s->mem, s->len, NULL);
		return;
	}
	ours_move(&s->ours, s->mem, s->len, s->ours.dev);
	for (size_t i = 0; i < s->len; i += 2 * PAGE)
		ours_move(&s->ours, s->mem + i, PAGE, NULL);
}

static void leave(struct scatter *s)
{
	for (size_t i = 0; i < s->len; i += BLOCK) {
		ssize_t n =
			uhmm_migrate(s->ours.u, s->mem + i, BLOCK, s->ours.dev);

		if (n != (ssize_t)(s->pinned ? BLOCK_PAGES / 2 : BLOCK_PAGES))
			bench_die("uhmm_migrate left pages behind", EBUSY);
	}
}

static int scatter_open(struct scatter *s, bool pinned)
{
	struct uhmm_params p = { .fault_mode = UHMM_FAULTS_AUTO };
	int err = ours_open(&s->ours, &p, "ram:64M");

	if (err)
		return err;
	s->len = LEN;
	s->pinned = pinned;
	s->mem = map_pages(s->len, false);
	touch(s->mem, s->len, 1);
	ours_move(&s->ours, s->mem, s->len, s->ours.dev);
	ours_move(&s->ours, s->mem, s->len, NULL);
	if (pinned)
		pin_odd(s);
	return 0;
}

static void scatter_close(struct scatter *s)
{
	for (size_t i = PAGE; s->pinned && i < s->len; i += 2 * PAGE)
		uhmm_unpin(s->ours.u, s->mem + i, PAGE);
	ours_close(&s->ours);
	munmap(s->mem, s->len);
}

/* ---- Calls that flush ------------------------------------------------- */

/*
 * Write-protecting, moving and discarding flush the TLB; removing the
 * protection may flush.
 */
static bool flushes(const struct __ptrace_syscall_info *info)
{
	switch (info->entry.nr) {
	case SYS_ioctl:
		return _IOC_TYPE(info->entry.args[1]) == UFFDIO &&
		       (_IOC_NR(info->entry.args[1]) == _UFFDIO_WRITEPROTECT ||
			_IOC_NR(info->entry.args[1]) == 0x05); /* MOVE */
	case SYS_madvise:
	case SYS_process_madvise:
	case SYS_mremap:
	case SYS_munmap:
	case SYS_mprotect:
		return true;
	default:
		return false;
	}
}

/*
 * In the child: two system calls that are not used elsewhere mark the section.
 */
static _Noreturn void child_main(bool pinned)
{
	struct scatter s;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (scatter_open(&s, pinned))
		_exit(1);
	prepare(&s);
	syscall(SYS_getpgid, 0);
	leave(&s);
	syscall(SYS_getpgid, 0);
	_exit(0);
}

static double watch(pid_t pid)
{
	struct __ptrace_syscall_info info;
	unsigned marks = 0, n = 0;
	int status, sig = 0;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (!ptrace(PTRACE_SYSCALL, pid, NULL, sig)) {
		if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			break;
		sig = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 :
							     WSTOPSIG(status);
		if (sig || ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info),
				  &info) <= 0)
			continue;
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		marks += info.entry.nr == SYS_getpgid;
		n += marks == 1 && flushes(&info);
	}
	return marks == 2 ? (double)n * (double)BLOCK / (double)LEN : 0;
}

static double count_flushes(bool pinned)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork", errno);
	if (!pid)
		child_main(pinned);
	return watch(pid);
}

/* ---- Bare ------------------------------------------------------------- */

/*
 * For each block: write-protect it, copy the pages, discard them by one call,
 * remove the protection.  No thread reads events, so the discard raises none.
 */
struct scraps {
	char *mem, *dev;
	size_t len;
	int uffd, self;
};

static void scraps_open(struct scraps *b, size_t len)
{
	b->len = len;
	b->mem = map_pages(len, false);
	b->dev = map_pages(len, true);
	touch(b->dev, len, 1);
	b->uffd = bare_uffd(true);
	bare_register(b->uffd, b->mem, len);
	b->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static void scraps_close(struct scraps *b)
{
	close(b->self);
	close(b->uffd);
	munmap(b->mem, b->len);
	munmap(b->dev, b->len);
}

static void scraps_prepare(struct scraps *b, bool all)
{
	madvise(b->mem, b->len, MADV_DONTNEED);
	for (size_t i = 0; i < b->len; i += all ? PAGE : 2 * PAGE)
		bare_copy(b->uffd, b->mem + i, b->dev + i, PAGE);
}

static void discard(const struct scraps *b, struct iovec *v, size_t n)
{
	long done =
		syscall(SYS_process_madvise, b->self, v, n, MADV_DONTNEED, 0);

	for (size_t i = 0; done < 0 && i < n; i++)
		madvise(v[i].iov_base, PAGE, MADV_DONTNEED);
}

static void scraps_leave(struct scraps *b)
{
	struct iovec v[MAX_BLOCK_PAGES / 2];

	for (size_t at = 0; at < b->len; at += BLOCK) {
		size_t n = 0;

		bare_protect(b->uffd, b->mem + at, BLOCK, true);
		for (size_t i = at; i < at + BLOCK; i += 2 * PAGE) {
			memcpy(b->dev + i, b->mem + i, PAGE);
			v[n++] = (struct iovec){ b->mem + i, PAGE };
		}
		discard(b, v, n);
		bare_protect(b->uffd, b->mem + at, BLOCK, false);
	}
}

/* ---- Figures ---------------------------------------------------------- */

/* Micro-seconds a page. */
static double each(const struct scatter *s, uint64_t ns)
{
	return (double)ns / 1000 / (double)(s->len / PAGE / 2);
}

static void time_it(struct bench_run *run, struct scatter *s, const char *name,
		    enum company c)
{
	struct result f = { 0 };
	struct scraps b;

	scraps_open(&b, s->len);
	company_begin(c);
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		uint64_t start;
		double bare;

		scraps_prepare(&b, s->pinned);
		start = now_ns();
		scraps_leave(&b);
		bare = each(s, now_ns() - start);
		prepare(s);
		start = now_ns();
		leave(s);
		result_add(&f, each(s, now_ns() - start), bare);
	}
	company_end();
	scraps_close(&b);
	at_most(run, name, c, "us", 1.25, &f);
}

static int measure(struct bench_run *run, const char *name, bool pinned)
{
	struct scatter s;
	struct result n = { 0 };
	char text[64];
	int err;

	result_add(&n, count_flushes(pinned), 0);
	err = scatter_open(&s, pinned);
	if (err)
		return err;
	for (enum company c = ALONE; c < NR_COMPANY; c++)
		if (c == ALONE || nr_cpus() > 1)
			time_it(run, &s, name, c);
	snprintf(text, sizeof(text), "%s-flushes", name);
	at_most(run, text, ALONE, "calls", 4, &n);
	scatter_close(&s);
	return 0;
}

static int scatter(struct bench_run *run)
{
	static const struct {
		const char *name;
		bool pinned;
	} kinds[] = {
		{ "scatter", false },
		{ "scatter-pinned", true },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(kinds) / sizeof(*kinds); i++)
		err = measure(run, kinds[i].name, kinds[i].pinned);
	return err;
}

const struct bench bench_scatter = {
	"scatter",
	"every other page leaves, a page, and the calls that flush, per 2 MiB",
	scatter,
};
