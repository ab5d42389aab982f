// SPDX-License-Identifier: MIT
/* The devices that the user gave to "uhmm run", in their order. */
#include <string.h>

#include "preload.h"

#define MAX_DEVICES 16
#define MAX_SPEC    1024

static struct uhmm_device *devices[MAX_DEVICES];
static size_t nr_devices;

int devices_open(struct uhmm *u)
{
	const char *spec = settings.devices;
	char one[MAX_SPEC];

	while (spec && *spec) {
		size_t len = strcspn(spec, "\n");
		int err;

		if (len >= sizeof(one) || nr_devices == MAX_DEVICES)
			return -E2BIG;
		memcpy(one, spec, len);
		one[len] = '\0';
		err = uhmm_device_open(u, one, &devices[nr_devices]);
		if (err)
			return err;
		/* A device that the user names takes cold pages. */
		uhmm_device_tier(devices[nr_devices], true);
		nr_devices++;
		spec += len + (spec[len] == '\n');
	}
	return 0;
}

void devices_forget(void)
{
	nr_devices = 0;
}

struct uhmm_device *manage_device(size_t n)
{
	return n < nr_devices ? devices[n] : NULL;
}
