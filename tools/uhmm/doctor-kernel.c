// SPDX-License-Identifier: MIT
/*
 * The features that the kernel offers and lets this user have.  Each is tried
 * by opening a context.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "doctor.h"
#include "tool.h"

#define SYSCTL	    "/proc/sys/vm/unprivileged_userfaultfd"
#define CAP_PTRACE  19
#define ALLOW_ALL   "sysctl vm.unprivileged_userfaultfd=1, as root"
#define ALLOW_GROUP "setfacl -m u:$USER:rw /dev/userfaultfd, as root"

/* On a kernel older than @since the library's trial of the feature fails. */
static const struct {
	const char *name, *since, *gives;
} features[] = {
	{ "kernel-faults", NULL, "system calls on memory that is away" },
	{ "move", "6.8", "pages go into frames without a copy" },
	{ "stash", "5.7", "pages that cannot be moved go by their mapping" },
	{ "poison", "6.6", "lost pages raise SIGBUS by themselves" },
	{ "scan", "6.7", "which pages are there, quickly" },
	{ "procmap", "6.11", "what is mapped where, quickly" },
	{ "minor", "5.14", "devices that the CPU maps tell of their faults" },
	{ "object", "5.19", "memory that several mappings share" },
};

/* Return: 0, and @list holds the features; or -errno. */
static int try_mode(enum uhmm_fault_mode mode, char *list, size_t len)
{
	const struct uhmm_params params = {
		.size = sizeof(params),
		.fault_mode = mode,
	};
	struct uhmm *u;
	int err = uhmm_open(&params, &u);

	*list = '\0';
	if (err)
		return err;
	uhmm_features(u, list, len);
	return uhmm_close(u);
}

/* Is @word among the comma separated words of @list? */
static bool is_in(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (!strncmp(p, word, len) && (!p[len] || p[len] == ','))
			return true;
	return false;
}

/* ---- Privilege --------------------------------------------------------- */

static bool has_cap(unsigned cap)
{
	char text[64];

	return read_field("/proc/self/status", "CapEff:", text, sizeof(text)) &&
	       strtoull(text, NULL, 16) >> cap & 1;
}

/* The strongest privilege of this user; NULL: none. */
static const char *rung(void)
{
	char text[16];

	if (has_cap(CAP_PTRACE))
		return geteuid() ? "CAP_SYS_PTRACE" : "root";
	if (!access("/dev/userfaultfd", R_OK | W_OK))
		return "access to /dev/userfaultfd";
	read_line(SYSCTL, text, sizeof(text));
	return *text == '1' ? "vm.unprivileged_userfaultfd=1" : NULL;
}

/* If root is refused, the reason is the kernel's configuration or seccomp. */
static const char *refused_by(int err)
{
	char text[16];

	if (err == -ENOSYS && !has_cap(CAP_PTRACE))
		return "a kernel with CONFIG_USERFAULTFD, 5.7 or newer; in a "
		       "container, a seccomp profile that allows userfaultfd";
	if (read_field("/proc/self/status", "Seccomp:", text, sizeof(text)) &&
	    *text != '0')
		return "run the container with a seccomp profile that allows "
		       "userfaultfd, as --security-opt seccomp=unconfined";
	if (err == -ENOSYS)
		return "a kernel with CONFIG_USERFAULTFD, 5.7 or newer";
	return ALLOW_ALL;
}

static const char *allow(void)
{
	return access("/dev/userfaultfd", F_OK) ? ALLOW_ALL : ALLOW_GROUP;
}

/* Are faults of system calls served (@full)? */
static void say_calls(bool full)
{
	const char *mend = allow();

	if (full) {
		finding(FINE, "privilege", "%s", NULL, rung() ? rung() : "yes");
		finding(FINE, "system calls", "they work on managed memory",
			NULL);
		return;
	}
	finding(SLOW, "privilege",
		"plain user: only the CPU's own faults are served", mend);
	finding(SLOW, "system calls",
		"\"uhmm run\" makes libc's again where memory was away; not "
		"covered are those\n%33sof a program's own code and what "
		"uhmm-run(1) lists",
		mend, "");
}

/* The rest of the report is of the machine without the variable. */
static void say_variable(void)
{
	finding(MISSING, "environment",
		"UHMM_FEATURES_OFF names an unknown feature; the features are "
		"%s",
		"correct or unset UHMM_FEATURES_OFF", FEATURE_NAMES);
	unsetenv("UHMM_FEATURES_OFF");
}

void doctor_privilege(void)
{
	char list[512];
	int err = try_mode(UHMM_FAULTS_THREADS, list, sizeof(list));

	if (err == -EINVAL) {
		say_variable();
		err = try_mode(UHMM_FAULTS_THREADS, list, sizeof(list));
	}
	if (err)
		finding(MISSING, "privilege", "userfaultfd(2) is refused: %s",
			refused_by(err), strerror(-err));
	else
		say_calls(is_in(list, "kernel-faults"));
	finding(has_cap(CAP_PTRACE) ? FINE : SLOW, "fork events",
		has_cap(CAP_PTRACE) ?
			"the kernel may tell of forks" :
			"forks are not told: memory comes home before each",
		has_cap(CAP_PTRACE) ? NULL :
				      "run as root, or with CAP_SYS_PTRACE");
}

/* ---- Features ---------------------------------------------------------- */

/* Say whether "uhmm run" lets programs have io_uring, by its rule. */
static void say_rings(const char *list)
{
	bool served = is_in(list, "kernel-faults"), moves = is_in(list, "move");

	if (served && moves)
		finding(FINE, "io_uring", "programs under \"uhmm run\" have it",
			NULL);
	else
		finding(SLOW, "io_uring",
			"\"uhmm run\" refuses it, as a kernel without it does",
			served ? "Linux 6.8 or newer" : allow());
}

void doctor_features(void)
{
	char list[512];

	if (try_mode(UHMM_FAULTS_AUTO, list, sizeof(list)))
		return;
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		char mend[64];
		bool has = is_in(list, features[i].name);

		if (!features[i].since) /* doctor_privilege() prints it */
			continue;
		snprintf(mend, sizeof(mend), "Linux %s or newer",
			 features[i].since);
		finding(has ? FINE : SLOW, features[i].name, "%s",
			has ? NULL : mend, features[i].gives);
	}
	say_rings(list);
	if (getenv("UHMM_FEATURES_OFF") && *getenv("UHMM_FEATURES_OFF"))
		finding(SLOW, "environment", "features are turned off",
			"unset UHMM_FEATURES_OFF");
}
