// SPDX-License-Identifier: MIT
/*
 * identity HOW WHEN: a program that becomes somebody else, "before" or "after"
 * its memory grew beyond the limit, and uses the data: by itself, in system
 * calls and in a child.  It prints nothing, as long as all is right.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN    ((size_t)6 << 20)
#define PAGE   ((size_t)4096)
#define NOBODY 65534

static char *data;

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static char pattern(size_t i)
{
	return (char)(i / PAGE * 31 + (i >> 20) + 1);
}

static void grow(void)
{
	data = malloc(LEN);
	for (size_t i = 0; i < LEN; i += PAGE)
		data[i] = pattern(i);
}

static size_t nr_bad(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < LEN; i += PAGE)
		nr += data[i] != pattern(i);
	return nr;
}

/* The data go through the kernel and come back. */
static void transfer(void)
{
	FILE *f = tmpfile();
	size_t done = 0;
	ssize_t n = 1;

	if (!f)
		die("tmpfile");
	for (; done < LEN && n > 0; done += (size_t)n)
		n = write(fileno(f), data + done, LEN - done);
	if (n < 0)
		die("write");
	memset(data, 0, LEN);
	lseek(fileno(f), 0, SEEK_SET);
	for (done = 0; done < LEN && n > 0; done += (size_t)n)
		n = read(fileno(f), data + done, LEN - done);
	if (n < 0)
		die("read");
	fclose(f);
}

static void in_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(nr_bad() != 0);
	if (waitpid(pid, &status, 0) != pid || status) {
		printf("a child ended with %x\n", status);
		exit(1);
	}
}

/* ---- Ways to become another ---- */

static int same_uid(void)
{
	return setuid(getuid());
}

static int same_euid(void)
{
	return seteuid(geteuid());
}

static int same_gid(void)
{
	return setgid(getgid());
}

static int same_groups(void)
{
	gid_t list[64];
	int n = getgroups(64, list);

	return geteuid() ? 0 : setgroups((size_t)n, list);
}

static int none_changed(void)
{
	return setresuid(-1u, -1u, -1u) || setresgid(-1u, -1u, -1u) ||
	       setreuid(-1u, -1u) || setregid(-1u, -1u);
}

static int not_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int no_new_rights(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int in_new_root(void)
{
	return geteuid() ? 0 : chroot("/") || chdir("/");
}

static int no_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	return (int)syscall(SYS_capset, &head, none);
}

static int nobody(void)
{
	if (geteuid())
		return 0;
	return setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY);
}

/* All that leaves the rights as they are. */
static int same(void)
{
	return same_uid() || same_euid() || same_gid() || same_groups() ||
	       none_changed() || no_new_rights() || in_new_root();
}

static const struct {
	const char *name;
	int (*become)(void);
} ways[] = {
	{ "same", same },
	{ "undumpable", not_dumpable },
	{ "powerless", no_capabilities },
	{ "nobody", nobody },
};

static void become(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(ways[i].name, name) == 0) {
			if (ways[i].become())
				die(name);
			return;
		}
	}
	printf("%s is no way\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	int before;

	if (argc != 3)
		return 2;
	before = strcmp(argv[2], "before") == 0;
	alarm(20); /* what hangs is a failure */
	if (before)
		become(argv[1]);
	grow();
	if (!before)
		become(argv[1]);
	if (nr_bad())
		printf("%zu pages are bad\n", nr_bad());
	transfer();
	if (nr_bad())
		printf("%zu pages are bad after a transfer\n", nr_bad());
	in_child();
	return 0;
}
