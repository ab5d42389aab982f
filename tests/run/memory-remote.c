// SPDX-License-Identifier: MIT
/*
 * Memory that is away, seen from elsewhere: by process_vm_readv(2), through
 * /proc/PID/mem, by ptrace(2), in a pipe after vmsplice(2), in a socket, and
 * by a userfaultfd of the program's own.  The reader gets the data or an error,
 * never other data.
 *
 * MEMORY_REMOTE says what is promised for other processes: "data" or "error".
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "memory.h"

#define LEN (4 * MIB)

static char copy[PAGE] __attribute__((aligned(4096)));

static bool is_promised(void)
{
	const char *what = getenv("MEMORY_REMOTE");

	return !what || !strcmp(what, "data");
}

/* A page of @p, as it should be, or an error where that is allowed. */
static void judge(ssize_t got, size_t i, uint64_t seed, bool promised)
{
	CHECK(got <= (ssize_t)PAGE);
	if (promised)
		CHECK(got == (ssize_t)PAGE);
	if (got > 0)
		verify_at(copy, seed, i, i + (size_t)got / 8 * 8);
}

/* ---- Itself ------------------------------------------------------------- */

static void vm_self(void)
{
	char *p = away(LEN, 1), *q = map(LEN);
	struct iovec here = { copy, PAGE }, there;
	struct iovec all[2] = { { p, LEN }, { q, LEN } };

	for (size_t i = 0; i < LEN; i += 64 * PAGE) {
		there = (struct iovec){ p + i, PAGE };
		judge(process_vm_readv(getpid(), &here, 1, &there, 1, 0), i, 1,
		      true);
	}
	push();
	CHECK(process_vm_readv(getpid(), &all[1], 1, &all[0], 1, 0) == LEN);
	push();
	verify(q, LEN, 1);
	fill(q, LEN, 2);
	push();
	CHECK(process_vm_writev(getpid(), &all[1], 1, &all[0], 1, 0) == LEN);
	push();
	verify(p, LEN, 2);
	verify(q, LEN, 2);
	there = (struct iovec){ (char *)16, 16 };
	CHECK(process_vm_readv(getpid(), &here, 1, &there, 1, 0) == -1);
	CHECK(errno == EFAULT);
	CHECK(!munmap(p, LEN) && !munmap(q, LEN));
}

static void mem_self(void)
{
	int fd = open("/proc/self/mem", O_RDWR);
	char *p = away(LEN, 3);

	CHECK(fd >= 0);
	for (size_t i = 0; i < LEN; i += 64 * PAGE)
		judge(pread(fd, copy, PAGE, (off_t)(uintptr_t)p + (off_t)i), i,
		      3, false);
	push();
	for (size_t i = 0; i < LEN; i += 64 * PAGE) {
		fill_at(copy, 4, i, i + PAGE);
		if (pwrite(fd, copy, PAGE, (off_t)(uintptr_t)p + (off_t)i) ==
		    PAGE)
			verify_at(p + i, 4, i, i + PAGE);
		else
			verify_at(p + i, 3, i, i + PAGE);
	}
	close(fd);
	CHECK(!munmap(p, LEN));
}

/* ---- Another process ---------------------------------------------------- */

static int pipes[2];

static void tell(void)
{
	char c = 'x';

	CHECK(write(pipes[1], &c, 1) == 1);
}

/* A child has the data away, and waits to be killed. */
static pid_t holder(char *p, uint64_t seed, bool traced)
{
	pid_t pid;
	char c;

	CHECK(!pipe(pipes));
	pid = fork();
	CHECK(pid >= 0);
	if (pid) {
		CHECK(read(pipes[0], &c, 1) == 1);
		close(pipes[0]);
		close(pipes[1]);
		return pid;
	}
	fill(p, LEN, seed);
	push();
	push();
	if (traced)
		CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	tell();
	if (traced)
		raise(SIGSTOP);
	for (;;)
		pause();
}

static void end_of(pid_t pid)
{
	int status;

	CHECK(!kill(pid, SIGKILL));
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void vm_other(void)
{
	char *p = map(LEN);
	pid_t pid = holder(p, 5, false);
	struct iovec here = { copy, PAGE }, there;

	for (size_t i = 0; i < LEN; i += 64 * PAGE) {
		there = (struct iovec){ p + i, PAGE };
		judge(process_vm_readv(pid, &here, 1, &there, 1, 0), i, 5,
		      is_promised());
	}
	end_of(pid);
	CHECK(!munmap(p, LEN));
}

static void mem_other(void)
{
	char *p = map(LEN), name[64];
	pid_t pid = holder(p, 6, false);
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	for (size_t i = 0; i < LEN; i += 64 * PAGE)
		judge(pread(fd, copy, PAGE, (off_t)(uintptr_t)p + (off_t)i), i,
		      6, false);
	close(fd);
	end_of(pid);
	CHECK(!munmap(p, LEN));
}

/* All of its threads but the one that is stopped go on. */
static void traced(void)
{
	char *p = map(LEN);
	pid_t pid = holder(p, 7, true);
	struct iovec here = { copy, PAGE }, there;
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	for (size_t i = 0; i < LEN; i += 64 * PAGE) {
		long got;

		errno = 0;
		got = ptrace(PTRACE_PEEKDATA, pid, p + i, NULL);
		if (!errno)
			CHECK((uint64_t)got == word_of(7, i / 8));
		there = (struct iovec){ p + i, PAGE };
		judge(process_vm_readv(pid, &here, 1, &there, 1, 0), i, 7,
		      false);
	}
	end_of(pid);
	CHECK(!munmap(p, LEN));
}

/* ---- Pipes -------------------------------------------------------------- */

/* Data in the pipe stay as they were, whatever becomes of their pages. */
static void splice_out(void)
{
	char *p = away(LEN, 8);
	int fd[2];

	CHECK(!pipe(fd));
	for (size_t i = 0; i < LEN; i += LEN / 8) {
		struct iovec v[2] = { { p + i, 8 * PAGE }, { p + i, 100 } };

		CHECK(vmsplice(fd[1], v, 2, 0) == (ssize_t)(8 * PAGE + 100));
		push();
		push();
		for (size_t k = i; k < i + 8 * PAGE; k += PAGE) {
			CHECK(read(fd[0], copy, PAGE) == (ssize_t)PAGE);
			verify_at(copy, 8, k, k + PAGE);
		}
		CHECK(read(fd[0], copy, PAGE) == 100);
		verify_at(copy, 8, i, i + 96);
	}
	CHECK(!munmap(p, LEN));
	close(fd[0]);
	close(fd[1]);
}

static void splice_flags(void)
{
	char *p = away(LEN, 9);
	struct iovec v = { p, MIB };
	int fd[2], n = 0;
	ssize_t got;

	CHECK(!pipe(fd));
	while ((got = vmsplice(fd[1], &v, 1, SPLICE_F_NONBLOCK)) > 0 && n < 99)
		n++;
	CHECK(got == -1 && errno == EAGAIN && n);
	push();
	for (size_t i = 0; i < 8 * PAGE; i += PAGE) {
		CHECK(read(fd[0], copy, PAGE) == (ssize_t)PAGE);
		verify_at(copy, 9, i, i + PAGE);
	}
	/* From the pipe to memory. */
	v.iov_len = PAGE;
	push();
	CHECK(vmsplice(fd[0], &v, 1, 0) == (ssize_t)PAGE);
	verify_at(p, 9, 8 * PAGE, 9 * PAGE);
	CHECK(vmsplice(0x7fff, &v, 1, 0) == -1 && errno == EBADF);
	v.iov_base = (char *)16;
	CHECK(vmsplice(fd[1], &v, 1, SPLICE_F_NONBLOCK) == -1);
	close(fd[0]);
	close(fd[1]);
	CHECK(!munmap(p, LEN));
}

/* ---- Sockets ------------------------------------------------------------ */

static void connect_both(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *at = (struct sockaddr *)&a;
	socklen_t len = sizeof(a);
	int at_home = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(at_home >= 0 && !bind(at_home, at, len));
	CHECK(!listen(at_home, 1) && !getsockname(at_home, at, &len));
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd[0] >= 0 && !connect(fd[0], at, len));
	fd[1] = accept(at_home, NULL, NULL);
	CHECK(fd[1] >= 0);
	close(at_home);
}

/* Is it refused, so that the kernel is never asked? */
static bool no_zerocopy(int fd)
{
	int on = 1;

	if (!setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		return false;
	CHECK(errno == ENOPROTOOPT);
	return true;
}

/*
 * Sent data stay as they were, whatever becomes of their pages before somebody
 * reads them.  Much of the data has to wait with the sender.
 */
static void send_with(int flags, uint64_t seed)
{
	char *p = away(LEN, seed);
	size_t done = 0, n;
	ssize_t got;
	int fd[2];

	connect_both(fd);
	CHECK(no_zerocopy(fd[0]) == !!getenv("MEMORY_LIMITED"));
	push();
	got = send(fd[0], p, LEN, flags | MSG_DONTWAIT);
	CHECK(got > 0);
	n = (size_t)got;
	fill(p, LEN, seed + 1);
	push();
	while (done < n) {
		size_t want = n - done < PAGE ? n - done : PAGE;

		CHECK(recv(fd[1], copy, want, MSG_WAITALL) == (ssize_t)want);
		verify_at(copy, seed, done, done + want);
		done += want;
	}
	verify(p, LEN, seed + 1);
	close(fd[0]);
	close(fd[1]);
	CHECK(!munmap(p, LEN));
}

static void send_plain(void)
{
	send_with(0, 20);
}

/* As programs do that do not care whether the option could be set. */
static void send_zerocopy(void)
{
	if (getenv("MEMORY_LIMITED"))
		send_with(MSG_ZEROCOPY, 22);
}

/* ---- A userfaultfd of its own ------------------------------------------- */

static int uffd;
static char *lazy;

static void *handler(void *arg)
{
	static char page[PAGE] __attribute__((aligned(4096)));
	struct uffd_msg msg;

	(void)arg;
	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		uintptr_t at = msg.arg.pagefault.address & ~(PAGE - 1);
		size_t i = at - (uintptr_t)lazy;
		struct uffdio_copy c = { .dst = at,
					 .src = (uintptr_t)page,
					 .len = PAGE };

		fill_at(page, 10, i, i + PAGE);
		CHECK(!ioctl(uffd, UFFDIO_COPY, &c) || errno == EEXIST);
	}
	return NULL;
}

static bool open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);
	return uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api);
}

static int enlist(void *p, size_t len, unsigned long mode)
{
	struct uffdio_register r = { .range = { (uintptr_t)p, len },
				     .mode = mode };

	return ioctl(uffd, UFFDIO_REGISTER, &r);
}

static void own_faults(void)
{
	struct uffdio_range all;
	pthread_t t;

	if (!open_uffd())
		return;
	lazy = map(LEN);
	CHECK(!enlist(lazy, LEN, UFFDIO_REGISTER_MODE_MISSING));
	CHECK(!pthread_create(&t, NULL, handler, NULL));
	verify(lazy, LEN, 10);
	fill(lazy, LEN / 2, 11);
	push();
	verify(lazy, LEN / 2, 11);
	CHECK(!madvise(lazy, LEN, MADV_DONTNEED));
	verify(lazy, LEN, 10);
	all = (struct uffdio_range){ (uintptr_t)lazy, LEN };
	CHECK(!ioctl(uffd, UFFDIO_UNREGISTER, &all));
	push();
	verify(lazy, LEN, 10);
	CHECK(!pthread_cancel(t) && !pthread_join(t, NULL));
	close(uffd);
	CHECK(!munmap(lazy, LEN));
}

/* Of memory that was away. */
static void own_late(void)
{
	char *p = away(LEN, 12), *q = malloc(LEN);
	char *inside = (char *)(((uintptr_t)q + PAGE) & ~(PAGE - 1));

	if (!open_uffd())
		return;
	fill(inside, MIB, 13);
	push();
	CHECK(!enlist(p + MIB, MIB, UFFDIO_REGISTER_MODE_MISSING));
	CHECK(!enlist(inside, MIB, UFFDIO_REGISTER_MODE_MISSING));
	push();
	verify(p, LEN, 12);
	verify(inside, MIB, 13);
	close(uffd);
	push();
	verify(p, LEN, 12);
	verify(inside, MIB, 13);
	free(q);
	CHECK(!munmap(p, LEN));
}

static const struct part parts[] = {
	{ "vm-self", vm_self },
	{ "mem-self", mem_self },
	{ "vm-other", vm_other },
	{ "mem-other", mem_other },
	{ "traced", traced },
	{ "splice-out", splice_out },
	{ "splice-flags", splice_flags },
	{ "own-faults", own_faults },
	{ "own-late", own_late },
	{ "send-plain", send_plain },
	{ "send-zerocopy", send_zerocopy },
};

int main(int argc, char **argv)
{
	return RUN_PARTS(parts, argc, argv);
}
