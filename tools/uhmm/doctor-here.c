// SPDX-License-Identifier: MIT
/* The surroundings of a program here: container, limits, libraries, devices. */
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uhmm/provider.h>

#include "doctor.h"
#include "run.h"
#include "tool.h"

#define USUAL_MAPPINGS 65530

/* ---- Surroundings ------------------------------------------------------ */

static const char *container(void)
{
	static char kind[64];
	char map[128];
	unsigned long inside, outside, count;

	if (!access("/.dockerenv", F_OK))
		return "docker";
	if (!access("/run/.containerenv", F_OK))
		return "podman";
	read_line("/run/systemd/container", kind, sizeof(kind));
	if (*kind)
		return kind;
	read_line("/proc/self/uid_map", map, sizeof(map));
	if (sscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 &&
	    (outside || count < UINT32_MAX))
		return "a user namespace";
	return NULL;
}

static void say_container(void)
{
	const char *kind = container();
	char text[16];
	bool filtered = read_field("/proc/self/status", "Seccomp:", text,
				   sizeof(text)) &&
			*text != '0';

	finding(FINE, "container", "%s", NULL, kind ? kind : "none seen");
	finding(FINE, "seccomp", "%s", NULL,
		filtered ? "system calls are filtered" : "no filter");
}

static void say_cgroup(void)
{
	uint64_t limit = uhmm_cgroup_limit();

	if (limit)
		finding(FINE, "cgroup",
			"a limit; without --ram a program has %" PRIu64
			" MiB of it",
			NULL, limit >> 20);
	else
		finding(FINE, "cgroup", "no limit on RAM", NULL);
}

static void say_mappings(void)
{
	char text[32];
	unsigned long n;

	read_line("/proc/sys/vm/max_map_count", text, sizeof(text));
	n = strtoul(text, NULL, 10);
	if (!n)
		return;
	finding(n < USUAL_MAPPINGS ? SLOW : FINE, "mappings",
		"a process may have %lu",
		n < USUAL_MAPPINGS ? "sysctl vm.max_map_count=65530, as root" :
				     NULL,
		n);
}

static void say_overcommit(void)
{
	char text[16];

	read_line("/proc/sys/vm/overcommit_memory", text, sizeof(text));
	if (*text == '2')
		finding(SLOW, "overcommit",
			"memory is promised strictly: large programs may fail",
			"sysctl vm.overcommit_memory=0, as root");
}

void doctor_surroundings(void)
{
	say_container();
	say_cgroup();
	say_mappings();
	say_overcommit();
}

/* ---- Libraries and devices --------------------------------------------- */

static void say_preload(void)
{
	char path[PATH_MAX];

	if (run_find_preload(path))
		finding(MISSING, "preload", "no library for \"uhmm run\"",
			"install the package uhmm whole, or name it in "
			"UHMM_PRELOAD");
	else
		finding(FINE, "preload", "%s", NULL, path);
}

static void say_builtin(void)
{
	const struct uhmm_provider *p = NULL;
	char list[256] = "";

	while ((p = uhmm_provider_next(p))) {
		size_t len = strlen(list);

		if (!p->wrap)
			snprintf(list + len, sizeof(list) - len, "%s%s",
				 len ? ", " : "", p->name);
	}
	finding(FINE, "providers", "%s", NULL, list);
}

/* Devices of special memory, which a machine may lack. */
static void say_dax(void)
{
	glob_t g;

	if (glob("/dev/dax*", 0, NULL, &g)) {
		finding(SLOW, "dax", "no device: a memfd takes its place",
			"ndctl create-namespace --mode devdax, as root, where "
			"there is such memory");
		return;
	}
	for (size_t i = 0; i < g.gl_pathc; i++)
		finding(access(g.gl_pathv[i], R_OK | W_OK) ? SLOW : FINE, "dax",
			"%s",
			access(g.gl_pathv[i], R_OK | W_OK) ?
				"setfacl -m u:$USER:rw on it, as root" :
				NULL,
			g.gl_pathv[i]);
	globfree(&g);
}

static void say_module(const char *module, const char *why)
{
	finding(SLOW, module, "%s", NULL, why);
}

static void say_found(void *arg, const struct uhmm_found *found)
{
	finding(FINE, arg, "%s, %" PRIu64 " MiB: %s", NULL, found->spec,
		found->bytes >> 20, found->name);
}

/* The devices that each provider finds, or why it finds none. */
static void say_choices(void)
{
	const struct uhmm_provider *p = NULL;
	char what[32], why[256];

	while ((p = uhmm_provider_next(p))) {
		if (p->size < sizeof(*p) || !p->list)
			continue;
		snprintf(what, sizeof(what), "%s", p->name);
		if (p->list(say_found, what, why, sizeof(why)))
			finding(SLOW, what, "%s", NULL, why);
	}
}

void doctor_providers(void)
{
	say_preload();
	modules_load(say_module);
	say_builtin();
	say_choices();
	say_dax();
}
