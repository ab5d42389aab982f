// SPDX-License-Identifier: MIT
/*
 * Checks the options of "uhmm run" before the program starts, by using them:
 * devices are opened in a context, as the program will open them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "tool.h"

/* The least address space in which a program was managed, by measurement. */
#define NEEDED_MIB	  160
#define LEAST_DEFAULT_MIB 64

static const char name[] = "run";

/* The library's first message about a failure. */
struct reason {
	char text[512];
};

static void keep_check_message(void *arg, int level, const char *msg)
{
	struct reason *r = arg;

	if (level <= 4 && !*r->text)
		snprintf(r->text, sizeof(r->text), "%.*s",
			 (int)strcspn(msg, "\n"), msg);
}

/* Without "device NAME: ", as the caller prints the name itself. */
static const char *reason_of(const struct reason *r, const char *spec, int err)
{
	const char *text = r->text;
	size_t len = strlen(spec);

	if (strncmp(text, "device ", 7) == 0 &&
	    strncmp(text + 7, spec, len) == 0 &&
	    strncmp(text + 7 + len, ": ", 2) == 0)
		text += 7 + len + 2;
	return *text ? text : strerror(-err);
}

static void complain_space(void)
{
	const char *what;
	uint64_t bytes = run_space(&what);

	if (bytes)
		complain(name,
			 "%s leaves %llu MiB, and uhmm takes %d beside the "
			 "program and its devices; raise it",
			 what, (unsigned long long)bytes >> 20, NEEDED_MIB);
	else
		complain(name, "memory cannot be managed here: %s; free some",
			 strerror(ENOMEM));
}

static int open_context(const struct run_options *o, struct uhmm **ret)
{
	const struct uhmm_params params = {
		.size = sizeof(params),
		.fault_mode = o->mode,
		.ram_limit = o->ram,
		.features_off = o->features_off,
	};
	int err = uhmm_open(&params, ret);

	switch (err) {
	case 0:
		return 0;
	case -EINVAL:
		complain(name,
			 "--features-off or UHMM_FEATURES_OFF names an unknown "
			 "feature; the features are %s",
			 FEATURE_NAMES);
		break;
	case -EPERM:
	case -ENOSYS:
		complain(name,
			 "the kernel refuses userfaultfd(2): %s; \"uhmm "
			 "doctor\" says what would allow it",
			 strerror(-err));
		break;
	case -EOPNOTSUPP:
		complain(name,
			 "this system has pages of %ld bytes, and uhmm manages "
			 "pages of %zu bytes; start a kernel that has these",
			 sysconf(_SC_PAGESIZE), uhmm_page_size());
		break;
	case -ENOMEM:
		complain_space();
		break;
	default:
		complain(name,
			 "memory cannot be managed here: %s; \"uhmm doctor\" "
			 "says what is missing",
			 strerror(-err));
	}
	return EXIT_OURS;
}

/*
 * Where faults of system calls are not served the preload library makes such
 * calls again.  It must know that before the program starts.
 */
static void find_needs(struct uhmm *u, struct run_options *o)
{
	char features[512] = ",";

	if (uhmm_features(u, features + 1, sizeof(features) - 2) < 0)
		features[1] = '\0';
	strcat(features, ",");
	o->calls = o->mode == UHMM_FAULTS_INLINE ||
		   !strstr(features, ",kernel-faults,");
	o->rings = !o->calls && strstr(features, ",move,");
}

/* A reason that has a remedy, behind a semicolon, needs no other. */
static const char *hint(const char *reason, int err)
{
	if (strchr(reason, ';'))
		return "";
	switch (err) {
	case -ENOMEM:
		return run_space(NULL) ? "; make it smaller, or raise the "
					 "limits of ulimit -v and -d" :
					 "; make it smaller";
	default:
		return "; see \"uhmm providers\" and uhmm(7)";
	}
}

/* The default device is halved until there are enough addresses for it. */
static int open_device(struct uhmm *u, struct run_options *o, size_t i)
{
	struct uhmm_device *dev;
	int err = uhmm_device_open(u, o->devices[i], &dev);

	while (err == -ENOMEM && o->default_mib > LEAST_DEFAULT_MIB) {
		o->default_mib /= 2;
		run_set_default_device(o);
		err = uhmm_device_open(u, o->devices[i], &dev);
	}
	return err;
}

int run_check_devices(struct run_options *o)
{
	struct reason first = { "" };
	struct uhmm *u;
	int status = open_context(o, &u);

	if (status)
		return status;
	uhmm_set_log(u, keep_check_message, &first);
	find_needs(u, o);
	for (size_t i = 0; !status && i < o->nr_devices; i++) {
		int err = open_device(u, o, i);
		const char *reason;

		if (!err)
			continue;
		reason = reason_of(&first, o->devices[i], err);
		complain(name, "--device %s cannot be opened: %s%s",
			 o->devices[i], reason, hint(reason, err));
		status = EXIT_OURS;
		break;
	}
	uhmm_close(u);
	return status;
}

int run_check_summary(struct run_options *o)
{
	static char absolute[PATH_MAX];
	char cwd[PATH_MAX];
	int n, fd;

	if (!o->summary)
		return 0;
	if (*o->summary == '/')
		n = snprintf(absolute, sizeof(absolute), "%s", o->summary);
	else if (getcwd(cwd, sizeof(cwd)))
		n = snprintf(absolute, sizeof(absolute), "%s/%s", cwd,
			     o->summary);
	else
		n = -1;
	fd = n < 0 || n >= PATH_MAX ?
		     -1 :
		     open(absolute, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY,
			  0666);
	if (fd < 0) {
		complain(name,
			 "the summary cannot be written to %s: %s; name "
			 "another file",
			 o->summary,
			 strerror(n >= PATH_MAX ? ENAMETOOLONG : errno));
		return EXIT_OURS;
	}
	close(fd);
	o->summary = absolute;
	return 0;
}
