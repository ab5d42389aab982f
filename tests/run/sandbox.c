// SPDX-License-Identifier: MIT
/*
 * sandbox WAY WHEN [shared]: a program that gives up system calls, files or its
 * place in the system, "before" or "after" its memory grew beyond the limit, or
 * "between" its halves, and uses the data: by itself, in system calls and in a
 * child.  The data are on the heap, or in shared memory.  It prints nothing, as
 * long as all is right.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN  ((size_t)6 << 20)
#define PAGE ((size_t)4096)

#define NR(list) (sizeof(list) / sizeof(*(list)))

static char *data;
static size_t grown;
static int file;
static bool no_child; /* no process can be made */
static bool is_shared;

static void die(const char *what)
{
	dprintf(1, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static char pattern(size_t i)
{
	return (char)(i / PAGE * 31 + (i >> 20) + 1);
}

static char *get_memory(void)
{
	void *p;

	if (!is_shared)
		return malloc(LEN);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void grow(size_t to)
{
	if (!data)
		data = get_memory();
	for (; grown < to; grown += PAGE)
		data[grown] = pattern(grown);
}

static size_t nr_bad(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < grown; i += PAGE)
		nr += data[i] != pattern(i);
	return nr;
}

static void check(const char *where)
{
	size_t nr = nr_bad();

	if (!nr)
		return;
	dprintf(1, "%zu pages are bad %s\n", nr, where);
	_exit(1);
}

/* The data go through the kernel and come back. */
static void transfer(void)
{
	size_t done = 0;
	ssize_t n = 1;

	for (; done < LEN && n > 0; done += (size_t)n)
		n = write(file, data + done, LEN - done);
	if (n < 0)
		die("write");
	memset(data, 0, LEN);
	if (lseek(file, 0, SEEK_SET))
		die("lseek");
	for (done = 0; done < LEN && n > 0; done += (size_t)n)
		n = read(file, data + done, LEN - done);
	if (n < 0)
		die("read");
}

static void in_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		check("in a child");
		data[0]++;
		data = NULL; /* it grows as well */
		grown = 0;
		grow(LEN);
		check("that a child made");
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		dprintf(1, "a child ended with %x\n", status);
		_exit(1);
	}
}

/* ---- Filters ---- */

#define LOAD(member)                       \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 offsetof(struct seccomp_data, member))
#define MAX_FILTER 128

static unsigned tsync; /* SECCOMP_FILTER_FLAG_TSYNC, or 0 */

/* @listed for the calls of @list, @others for the others. */
static int filter(const int *list, size_t nr, unsigned listed, unsigned others)
{
	struct sock_filter f[MAX_FILTER];
	struct sock_fprog prog = { .filter = f };
	unsigned short at = 0;

	f[at++] = (struct sock_filter)LOAD(nr);
	for (size_t i = 0; i < nr; i++) {
		f[at++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned)list[i], 0, 1);
		f[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
	}
	f[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
	prog.len = at;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	if (tsync)
		return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, tsync,
				    &prog);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define KILLED	SECCOMP_RET_KILL_PROCESS
#define ALLOWED SECCOMP_RET_ALLOW

static const int ioctls[] = { SYS_ioctl };
/* As the part of a server that talks to strangers. */
static const int few[] = {
	SYS_read,	    SYS_write,	      SYS_lseek,	 SYS_close,
	SYS_exit,	    SYS_exit_group,   SYS_brk,		 SYS_mmap,
	SYS_munmap,	    SYS_mremap,	      SYS_futex,	 SYS_getpid,
	SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_clock_gettime, SYS_getrandom,
	SYS_ppoll,	    SYS_gettimeofday, SYS_madvise,	 SYS_mprotect,
#ifdef SYS_poll
	SYS_poll,
#endif
};

static int no_ioctl(void)
{
	return filter(ioctls, NR(ioctls), REFUSED, ALLOWED);
}

static int kills_ioctl(void)
{
	return filter(ioctls, NR(ioctls), KILLED, ALLOWED);
}

static int traps_ioctl(void)
{
	return filter(ioctls, NR(ioctls), SECCOMP_RET_TRAP, ALLOWED);
}

static int only_few(void)
{
	no_child = true;
	return filter(few, NR(few), ALLOWED, KILLED);
}

static int only_few_refused(void)
{
	no_child = true;
	return filter(few, NR(few), ALLOWED, REFUSED);
}

static int only_few_sync(void)
{
	tsync = SECCOMP_FILTER_FLAG_TSYNC;
	return only_few();
}

static int kills_ioctl_sync(void)
{
	tsync = SECCOMP_FILTER_FLAG_TSYNC;
	return kills_ioctl();
}

static int harmless(void)
{
	static const int list[] = { SYS_reboot };

	return filter(list, NR(list), KILLED, ALLOWED);
}

/* @nr is allowed, but for calls with @value for the k-th argument. */
static int kills_one(int nr, size_t k, unsigned value)
{
	struct sock_filter f[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (unsigned)(offsetof(struct seccomp_data, args) +
				    k * sizeof(uint64_t))),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, KILLED),
		BPF_STMT(BPF_RET | BPF_K, ALLOWED),
	};
	struct sock_fprog prog = { .filter = f, .len = NR(f) };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

static int kills_leases(void)
{
	return kills_one(SYS_fcntl, 1, F_SETLEASE);
}

static int kills_remove(void)
{
	return kills_one(SYS_madvise, 2, MADV_REMOVE);
}

static int kills_dofork(void)
{
	return kills_one(SYS_madvise, 2, MADV_DOFORK);
}

static int kills_memfd(void)
{
	static const int list[] = { SYS_memfd_create };

	return filter(list, NR(list), KILLED, ALLOWED);
}

/* Four calls are left. */
static int strict(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
}

/* ---- Files ---- */

static int landlock(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = 0x1fff };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			      0);

	if (fd < 0)
		return 0; /* this kernel has none */
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       syscall(SYS_landlock_restrict_self, fd, 0) || close(fd);
}

/* The working directory is an empty one. */
static int empty_root(void)
{
	return geteuid() ? 0 : chroot(".") || chdir("/");
}

/* ---- Places ---- */

static int new_mounts(void)
{
	return geteuid() ? 0 : unshare(CLONE_NEWNS);
}

static int own_mounts(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	return geteuid() ? 0 : setns(fd, CLONE_NEWNS) || close(fd);
}

static int new_user(void)
{
	return unshare(CLONE_NEWUSER);
}

/* ---- Time ---- */

static int idle(void)
{
	const struct sched_param p = { 0 };

	return sched_setscheduler(0, SCHED_IDLE, &p);
}

static int one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int mourns(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) ||
	       prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static const struct {
	const char *name;
	int (*become)(void);
} ways[] = {
	{ "no-ioctl", no_ioctl },
	{ "kills-ioctl", kills_ioctl },
	{ "kills-ioctl-sync", kills_ioctl_sync },
	{ "traps-ioctl", traps_ioctl },
	{ "only-few", only_few },
	{ "only-few-refused", only_few_refused },
	{ "only-few-sync", only_few_sync },
	{ "kills-leases", kills_leases },
	{ "kills-memfd", kills_memfd },
	{ "kills-remove", kills_remove },
	{ "kills-dofork", kills_dofork },
	{ "harmless", harmless },
	{ "strict", strict },
	{ "landlock", landlock },
	{ "empty-root", empty_root },
	{ "new-mounts", new_mounts },
	{ "own-mounts", own_mounts },
	{ "new-user", new_user },
	{ "idle", idle },
	{ "one-cpu", one_cpu },
	{ "mourns", mourns },
};

static void become(const char *name)
{
	for (size_t i = 0; i < NR(ways); i++) {
		if (strcmp(ways[i].name, name) == 0) {
			if (ways[i].become())
				die(name);
			return;
		}
	}
	dprintf(1, "%s is no way\n", name);
	_exit(2);
}

static void prepare(void)
{
	FILE *f = tmpfile();

	file = f ? fileno(f) : -1;
	if (file < 0)
		die("prepare");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	is_shared = argc > 3;
	alarm(20); /* what hangs is a failure */
	prepare();
	if (strcmp(argv[2], "after") == 0)
		grow(LEN);
	else if (strcmp(argv[2], "between") == 0)
		grow(LEN / 2);
	become(argv[1]);
	grow(LEN);
	check("at first");
	if (strcmp(argv[1], "strict") == 0)
		syscall(SYS_exit, 0);
	transfer();
	check("after a transfer");
	if (!no_child)
		in_child();
	return 0;
}
