// SPDX-License-Identifier: MIT
/*
 * The settings of "uhmm run", from the environment.  They are read once and
 * copied: programs clear their environment, or write their title over it.  A
 * program with raised privileges gets none of them.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "preload.h"

struct settings settings;

static const char *copy(const char *variable)
{
	const char *value = secure_getenv(variable);
	size_t len;
	char *own;

	if (!value || !*value)
		return NULL;
	len = strlen(value) + 1;
	own = own_alloc(page_up(len));
	return own ? memcpy(own, value, len) : NULL;
}

static uint64_t number(const char *variable)
{
	const char *value = secure_getenv(variable);

	return value ? strtoull(value, NULL, 10) : 0;
}

static enum uhmm_fault_mode fault_mode(void)
{
	const char *value = secure_getenv("UHMM_RUN_MODE");

	return value && strcmp(value, "inline") == 0 ? UHMM_FAULTS_INLINE :
						       UHMM_FAULTS_THREADS;
}

/*
 * True in children only: "uhmm run" itself refuses such programs.  A sanitizer
 * watches all memory: it would report libuhmm's accesses, and the sanitizer's
 * own memory must not move.
 */
static bool has_sanitizer(void)
{
	static const char *const names[] = {
		"__asan_init", "__hwasan_init", "__msan_init",
		"__tsan_init", "__lsan_init",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (dlsym(RTLD_DEFAULT, names[i]))
			return true;
	return false;
}

void settings_read(void)
{
	settings = (struct settings){
		.ram = number("UHMM_RUN_RAM"),
		.resident = number("UHMM_RUN_RESIDENT"),
		.min_size = number("UHMM_RUN_MIN_SIZE"),
		.mode = fault_mode(),
		.follow_fork = number("UHMM_RUN_FOLLOW_FORK"),
		.shared = number("UHMM_RUN_SHARED"),
		.calls = number("UHMM_RUN_CALLS"),
		.rings = number("UHMM_RUN_RINGS"),
		.devices = copy("UHMM_RUN_DEVICES"),
		.features_off = copy("UHMM_FEATURES_OFF"),
		.budget = copy("UHMM_RUN_BUDGET"),
		.summary = copy("UHMM_RUN_SUMMARY"),
		.pid = (pid_t)number("UHMM_RUN_PID"),
	};
	settings.flags = (settings.follow_fork ? UHMM_OPEN_FORK : 0) |
			 (settings.resident ? 0 : UHMM_OPEN_LIMIT_PROCESS);
	if (has_sanitizer())
		settings.ram = 0;
	if (settings.min_size < PAGE)
		settings.min_size = (size_t)64 << 10;
}

const char *settings_space(int err)
{
	struct rlimit all, data;

	if (err != -ENOMEM || getrlimit(RLIMIT_AS, &all) ||
	    getrlimit(RLIMIT_DATA, &data))
		return "";
	if (all.rlim_cur != RLIM_INFINITY && all.rlim_cur <= data.rlim_cur)
		return " (RLIMIT_AS is too low, see uhmm-run(1))";
	if (data.rlim_cur != RLIM_INFINITY)
		return " (RLIMIT_DATA is too low, see uhmm-run(1))";
	return "";
}
