// SPDX-License-Identifier: MIT
/*
 * descriptors WAY: a program that closes descriptors which it does not know, or
 * puts others in their places, and uses its data: by itself, in system calls
 * and in a child.  It prints nothing, as long as all is right.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN  ((size_t)4 << 20)
#define PAGE ((size_t)4096)
#define END  20000

static const int fixed[] = { 9, 10, 63, 200, 255 }; /* that programs take */
static bool was_open[sizeof(fixed) / sizeof(*fixed)];
static char *data, *more;

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static char pattern(size_t i)
{
	return (char)(i / PAGE * 31 + (i >> 20) + 1);
}

static char *grow(void)
{
	char *p = malloc(LEN);

	for (size_t i = 0; i < LEN; i += PAGE)
		p[i] = pattern(i);
	return p;
}

static size_t nr_bad(const char *p)
{
	size_t nr = 0;

	for (size_t i = 0; i < LEN; i += PAGE)
		nr += p[i] != pattern(i);
	return nr;
}

static void check(const char *what, const char *p)
{
	size_t nr = nr_bad(p);

	if (nr)
		printf("%s: %zu pages are wrong\n", what, nr);
	if (nr)
		exit(1);
}

static void transfer(void)
{
	FILE *f = tmpfile();

	if (!f)
		die("tmpfile");
	for (size_t done = 0; done < LEN;) {
		ssize_t n = write(fileno(f), data + done, LEN - done);

		if (n <= 0)
			die("write");
		done += (size_t)n;
	}
	fclose(f);
}

static void in_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(nr_bad(data) || nr_bad(more));
	if (waitpid(pid, &status, 0) != pid || status) {
		printf("a child ended with %x\n", status);
		exit(1);
	}
}

/* ---- Ways to be rid of descriptors ---- */

static void by_close(void)
{
	for (int i = 3; i < END; i++)
		close(i);
}

static void by_closefrom(void)
{
	closefrom(3);
}

static void by_close_range(void)
{
	close_range(3, ~0u, 0);
}

/* Each number that is listed can be closed. */
static void by_list(void)
{
	for (int i = 3; i < END; i++)
		if (fcntl(i, F_GETFD) >= 0 && close(i))
			die("close");
}

static void by_dup2(void)
{
	for (int i = 3; i < 5000; i++)
		dup2(0, i);
	by_close();
}

static void by_dup3(void)
{
	for (int i = 3; i < 5000; i++)
		dup3(0, i, O_CLOEXEC);
	by_close();
}

static void by_daemon(void)
{
	if (daemon(1, 1))
		die("daemon");
	by_close();
}

static void by_bare_close(void)
{
	for (int i = 3; i < END; i++)
		syscall(SYS_close, i);
}

static void by_bare_range(void)
{
	syscall(SYS_close_range, 3, ~0u, 0);
}

static void by_bare_dup(void)
{
	for (int i = 3; i < 5000; i++)
		syscall(SYS_dup3, 0, i, 0);
	by_close();
}

/* As on a kernel that cannot give them back: for threads that begin later. */
static void deny(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_getfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		exit(77);
}

static void exec_child(pid_t (*make)(void), void (*rid)(void))
{
	static char *args[4];
	pid_t pid;
	int status;

	for (size_t i = 0; i < 3; i++)
		args[i] = data + i * PAGE + 8;
	strcpy(args[0], "/bin/test");
	strcpy(args[1], "-n");
	strcpy(args[2], "text");
	check("before a child", more); /* and the arguments leave */
	pid = make();
	if (!pid) {
		rid();
		execv(args[0], args);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		printf("what was executed ended with %x\n", status);
		exit(1);
	}
}

static void by_fork(void)
{
	exec_child(fork, by_close);
}

static void by_vfork(void)
{
	exec_child(vfork, by_close);
}

static void by_bare_fork(void)
{
	exec_child(fork, by_bare_range);
}

/* Numbers that a program gets, or takes, are as without us. */
static void by_numbers(void)
{
	int fd = open("/dev/null", O_RDONLY);

	if (fd != 3)
		printf("open() says %d, not 3\n", fd);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		if (!was_open[i] && fcntl(fixed[i], F_GETFD) >= 0)
			printf("%d is open\n", fixed[i]);
		if (dup2(fd, fixed[i]) != fixed[i])
			die("dup2");
	}
}

/* No number is free any more. */
static void by_full(void)
{
	int fd, last = 3;

	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	check("when no number was free", data);
	in_child();
	close_range(3, (unsigned)last, 0);
}

/* None may be opened; poll(2) takes none any more. */
static void by_none(void)
{
	struct rlimit was, none;

	if (getrlimit(RLIMIT_NOFILE, &was))
		die("getrlimit");
	none = was;
	none.rlim_cur = 0;
	if (setrlimit(RLIMIT_NOFILE, &none))
		die("setrlimit");
	check("when none may be opened", data);
	in_child();
	if (getrlimit(RLIMIT_NOFILE, &none) || none.rlim_cur)
		printf("the limit is %lu, not 0\n",
		       (unsigned long)none.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &was))
		die("setrlimit");
}

static const struct way {
	const char *name;
	void (*fn)(void);
} ways[] = {
	{ "close", by_close },
	{ "closefrom", by_closefrom },
	{ "close_range", by_close_range },
	{ "list", by_list },
	{ "dup2", by_dup2 },
	{ "dup3", by_dup3 },
	{ "daemon", by_daemon },
	{ "fork", by_fork },
	{ "vfork", by_vfork },
	{ "numbers", by_numbers },
	{ "full", by_full },
	{ "none", by_none },
	{ "bare-close", by_bare_close },
	{ "bare-range", by_bare_range },
	{ "bare-fork", by_bare_fork },
	{ "bare-dup", by_bare_dup },
	{ "denied", by_bare_range },
};

/* Can a thread's descriptors be had?  0 or 1, as an exit status. */
static int no_threads(void)
{
	return syscall(SYS_pidfd_open, getpid(), O_EXCL) < 0;
}

static void use(const struct way *way)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		was_open[i] = fcntl(fixed[i], F_GETFD) >= 0;
	data = grow();
	check("at first", data);
	more = grow();
	check("when there was more", more);
	way->fn();
	check("then", data);
	check("then the rest", more);
	free(more);
	more = grow();
	check("later", data);
	transfer();
	in_child();
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "can"))
		return no_threads();
	for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(ways[i].name, argv[1])) {
			if (!strcmp(argv[1], "denied"))
				deny();
			use(&ways[i]);
			return 0;
		}
	printf("usage: descriptors WAY\n");
	return 2;
}
