/* SPDX-License-Identifier: MIT */
/*
 * shared.c - memory that processes share, and which of them live; see shared.h
 *
 * A process is known by its number and by when it began (/proc/PID/stat), as
 * numbers are used again.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/cpu.h"
#include "sys/fail.h"
#include "sys/fds.h"
#include "sys/format.h"
#include "sys/kernel.h"
#include "sys/shared.h"
#include "sys/sys.h"
#include "sys/text.h"

enum {
	PATH = 32,
	STAT = 512,
	BEGAN = 22, /* field of /proc/PID/stat, counted from 1 */
};

/*
 * Allocate the blocks by writing, where the file system knows no fallocate(2).
 */
static long fill_file(long fd, size_t len)
{
	static const char zeroes[SYS_PAGE_SIZE];
	long n = 1;

	for (size_t at = 0; at < len && n > 0; at += (size_t)n) {
		size_t left = len - at < SYS_PAGE_SIZE ? len - at :
							 SYS_PAGE_SIZE;

		n = call(SYS_pwrite64, fd, (long)zeroes, (long)left, (long)at,
			 0, 0);
	}
	return n < 0 ? n : 0;
}

int sys_shared_create(const char *path, size_t len)
{
	long fd, err;

	if (sys_should_fail("openat"))
		return -ENOMEM;
	fd = call(SYS_openat, AT_FDCWD, (long)path,
		  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600, 0,
		  0);
	if (fd < 0)
		return (int)fd;
	err = call(SYS_fallocate, fd, 0, 0, (long)len, 0, 0);
	if (err == -EOPNOTSUPP || err == -ENOSYS)
		err = fill_file(fd, len);
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	if (err)
		call(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
	return (int)err;
}

static bool is_our_file(int fd, size_t len)
{
	struct stat st;

	return !call(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) &&
	       S_ISREG(st.st_mode) && st.st_size == (off_t)len &&
	       st.st_uid == geteuid();
}

/* Map the file over a range that is listed as our own already. */
static int map_over(int fd, size_t len, uintptr_t *ret)
{
	uintptr_t there;
	int err = sys_own_map(len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, ret);

	if (err)
		return err;
	err = sys_map_file(*ret, len, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, fd, 0, &there);
	if (err)
		sys_own_unmap(*ret, len);
	return err;
}

int sys_shared_map(const char *path, size_t len, void **ret)
{
	uintptr_t addr = 0;
	int err, fd = sys_open(path, O_RDWR | O_NOFOLLOW);

	if (fd < 0)
		return fd;
	err = is_our_file(fd, len) ? map_over(fd, len, &addr) : -EINVAL;
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	*ret = (void *)addr;
	return err;
}

void sys_shared_unmap(void *p, size_t len)
{
	sys_own_unmap((uintptr_t)p, len);
}

/* ---- Processes ---- */

static const char *skip_fields(const char *at, int nr)
{
	while (at && nr--) {
		at = strchr(at, ' ');
		at += at ? 1 : 0;
	}
	return at;
}

/*
 * Read a process's start time; 0: unknown.  False: the process has ended
 * (perhaps it is a zombie), or there is no such file.
 */
static bool read_began(const char *path, uint64_t *ret)
{
	char text[STAT];
	const char *at, *began;
	ssize_t n = sys_text_read(path, text, sizeof(text));

	*ret = 0;
	if (n <= 0)
		return n != -ESRCH && n != -ENOENT;
	at = strrchr(text, ')'); /* a name may have blanks */
	if (!at || strlen(at) < 3)
		return true;
	began = skip_fields(at + 2, BEGAN - 3);
	*ret = began ? sys_text_number(began, 10) : 0;
	return at[2] != 'Z' && at[2] != 'X';
}

struct look {
	char path[PATH];
	uint64_t began;
	bool runs;
};

static void look_at_process(void *arg)
{
	struct look *l = arg;

	l->runs = read_began(l->path, &l->began);
}

/* read_began() at no number of the program's. */
static bool read_began_apart(const char *path, uint64_t *ret)
{
	struct look l = { .runs = false };

	sys_format(l.path, sizeof(l.path), "%s", path);
	if (!sys_fds_apart(look_at_process, &l, sizeof(l)))
		look_at_process(&l);
	*ret = l.began;
	return l.runs;
}

struct sys_process sys_process_self(void)
{
	struct sys_process p = { .pid = (uint32_t)getpid() };
	int fd = sys_open("/proc/thread-self/ns/pid", O_RDONLY);

	read_began("/proc/self/stat", &p.began);
	if (fd < 0)
		return p;
	if (sys_inode(fd, &p.space))
		p.space = 0;
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	return p;
}

bool sys_process_ended(const struct sys_process *p,
		       const struct sys_process *self)
{
	uint64_t began, ours;
	char path[PATH];

	if (!self->began || !self->space || p->space != self->space)
		return false;
	sys_format(path, sizeof(path), "/proc/%u/stat", p->pid);
	if (read_began_apart(path, &began))
		return began && began != p->began;
	/* an unreadable file means an end only while /proc is there */
	return read_began_apart("/proc/self/stat", &ours) &&
	       ours == self->began;
}

/* ---- Futexes ---- */

void sys_futex_wait_shared(_Atomic uint32_t *word, uint32_t value,
			   uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};

	call(SYS_futex, (long)word, FUTEX_WAIT, value,
	     timeout_ns ? (long)&ts : 0, 0, 0);
}

void sys_futex_wake_shared(_Atomic uint32_t *word, int nr)
{
	call(SYS_futex, (long)word, FUTEX_WAKE, nr, 0, 0, 0);
}
