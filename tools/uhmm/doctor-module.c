// SPDX-License-Identifier: MIT
/*
 * The kernel module: is it loaded, which devices can it have on this kernel,
 * and what would be needed to build it.  The kernel's symbols tell how the
 * kernel is configured; any user may read their names.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"

#define DEVICE "/dev/uhmm"

/* @private, @coherent: devices that the kernel can have */
struct can {
	bool known, moves, looks, private, coherent;
};

static void note_symbol(struct can *can, const char *symbol)
{
	/* These are there with CONFIG_DEVICE_PRIVATE only. */
	if (!strcmp(symbol, "make_device_exclusive") ||
	    !strcmp(symbol, "make_device_exclusive_range"))
		can->private = true;
	if (!strcmp(symbol, "migrate_vma_setup"))
		can->moves = true;
	if (!strcmp(symbol, "hmm_range_fault"))
		can->looks = true;
}

static struct can look_at_kernel(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	struct can can = { false };
	char line[512], symbol[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*s %255s", symbol) != 1)
			continue;
		can.known = true;
		note_symbol(&can, symbol);
	}
	if (f)
		fclose(f);
	can.coherent = can.moves && can.looks;
	can.private = can.private && can.coherent;
	return can;
}

static const char *devices(const struct can *can)
{
	if (can->private)
		return "private and coherent devices";
	return can->coherent ? "coherent devices, no private ones" :
			       "neither private nor coherent devices";
}

/* Of the running kernel, which may be none of Debian's */
static void what_to_install(char *ret, size_t len)
{
	char build[512] = "";
	struct utsname u;

	if (!uname(&u))
		snprintf(build, sizeof(build), "/lib/modules/%s/build",
			 u.release);
	if (*build && access(build, F_OK))
		snprintf(ret, len,
			 "apt install linux-headers-%s make gcc, then see "
			 "uhmm-kernel(4)",
			 u.release);
	else
		snprintf(ret, len, "build and load it: uhmm-kernel(4)");
}

static void say_loaded(const struct can *can)
{
	bool may = !access(DEVICE, R_OK | W_OK);

	finding(may ? FINE : SLOW, "kernel module", "loaded: %s",
		may ? NULL : "run as root: the module adds devices for root",
		can->known ? devices(can) : "devices kmod:SIZE");
}

void doctor_kernel_module(void)
{
	struct can can = look_at_kernel();
	char install[384];

	what_to_install(install, sizeof(install));
	if (!access(DEVICE, F_OK))
		say_loaded(&can);
	else if (!can.known)
		finding(SLOW, "kernel module", "not loaded", install);
	else if (can.private)
		finding(SLOW, "kernel module",
			"not loaded; this kernel can have %s", install,
			devices(&can));
	else
		finding(SLOW, "kernel module",
			"not loaded; this kernel can have %s",
			"apt install linux-image-amd64 from trixie-backports, "
			"or a kernel with CONFIG_DEVICE_PRIVATE",
			devices(&can));
}
