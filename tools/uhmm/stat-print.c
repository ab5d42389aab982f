// SPDX-License-Identifier: MIT
/* Prints the figures of a context for people: sizes first, then events. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <uhmm/uhmm.h>

#include "stat.h"

static uint64_t number(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ?
		       json_object_get_uint64(v) :
		       0;
}

static const char *word(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ?
		       json_object_get_string(v) :
		       "";
}

static struct json_object *json_part(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static size_t length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

static double mib(uint64_t pages)
{
	return (double)pages * uhmm_page_size() / (1 << 20);
}

static double mib_of(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static uint64_t kb(uint64_t pages)
{
	return pages * (uhmm_page_size() >> 10);
}

static void print_limit(uint64_t bytes)
{
	if (bytes)
		printf(", limit %.1f MiB", mib_of(bytes));
}

static void print_memory(struct json_object *o, struct json_object *s)
{
	printf("  RAM           %12.1f MiB, at most %.1f MiB so far",
	       mib(number(s, "ram_pages")), mib(number(s, "ram_peak")));
	print_limit(number(o, "ram_limit"));
	printf("\n");
	if (number(s, "total_pages"))
		printf("  RAM in all    %12.1f MiB, at most %.1f MiB so far\n",
		       mib(number(s, "total_pages")),
		       mib(number(s, "total_peak")));
	printf("  frozen        %12.1f MiB, empty frames %.1f MiB\n",
	       mib(number(s, "frozen_pages")), mib(number(s, "pool_pages")));
	printf("  on devices    %12.1f MiB\n", mib(number(s, "device_pages")));
	printf("  moved         %12.1f MiB to devices, %.1f MiB home\n",
	       mib(number(s, "to_device")), mib(number(s, "to_ram")));
	if (number(s, "unchanged"))
		printf("  unchanged     %12.1f MiB that left without a copy\n",
		       mib(number(s, "unchanged")));
	if (number(s, "sunk"))
		printf("  sank          %12.1f MiB from full devices down\n",
		       mib(number(s, "sunk")));
	if (number(s, "unwritten") || number(s, "kept_pages"))
		printf("  not written   %12.1f MiB home, %.1f MiB kept\n",
		       mib(number(s, "unwritten")),
		       mib(number(s, "kept_pages")));
}

static void print_events(struct json_object *s)
{
	printf("  faults        %12" PRIu64 " from devices, %" PRIu64
	       " from frames, %" PRIu64 " first touches\n",
	       number(s, "faults"), number(s, "soft_faults"),
	       number(s, "zero_faults"));
	printf("  fault time    %12.1f us p50, %.1f us p99\n",
	       (double)number(s, "fault_p50_ns") / 1000,
	       (double)number(s, "fault_p99_ns") / 1000);
	printf("  limit         %12" PRIu64 " times exceeded, %" PRIu64
	       " faults waited\n",
	       number(s, "limit_exceeded"), number(s, "limit_waits"));
	if (number(s, "refaults"))
		printf("  too soon      %12.1f MiB came home soon after they "
		       "left\n",
		       mib(number(s, "refaults")));
	if (number(s, "thrash_len"))
		printf("  thrashing     %#" PRIx64 "-%#" PRIx64 "\n",
		       number(s, "thrash_addr"),
		       number(s, "thrash_addr") + number(s, "thrash_len"));
	if (number(s, "errors") || number(s, "poisoned"))
		printf("  errors        %12" PRIu64 " of devices, %" PRIu64
		       " pages lost\n",
		       number(s, "errors"), number(s, "poisoned"));
}

static void print_devices(struct json_object *list)
{
	for (size_t i = 0; i < length(list); i++) {
		struct json_object *d = json_object_array_get_idx(list, i);

		printf("  device %" PRIu64 " %-8s %9.1f MiB of %.1f MiB",
		       number(d, "id"), word(d, "name"), mib(number(d, "used")),
		       mib(number(d, "pages")));
		if (number(d, "stored_bytes"))
			printf(", stored in %.1f MiB",
			       mib_of(number(d, "stored_bytes")));
		printf("\n");
	}
}

/* Nothing if the root is the only group: its figures are printed already. */
static void print_groups(struct json_object *list)
{
	for (size_t i = 0; length(list) > 1 && i < length(list); i++) {
		struct json_object *g = json_object_array_get_idx(list, i);
		struct json_object *on = json_part(g, "devices");

		printf("  group %-12s %6.1f MiB RAM", word(g, "name"),
		       mib(number(g, "ram_pages")));
		print_limit(number(g, "limit"));
		for (size_t k = 0; k < length(on); k++) {
			struct json_object *d =
				json_object_array_get_idx(on, k);

			printf("; device %" PRIu64 " %.1f MiB",
			       number(d, "device"), mib(number(d, "pages")));
			print_limit(number(d, "limit"));
		}
		printf("\n");
	}
}

static const char *name_of(struct json_object *devices, uint64_t id)
{
	for (size_t i = 0; i < length(devices); i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);

		if (number(d, "id") == id)
			return word(d, "name");
	}
	return "gone";
}

static void print_kb(const char *what, uint64_t pages)
{
	printf("%-20s%12" PRIu64 " kB\n", what, kb(pages));
}

/* In the format of /proc/PID/smaps. */
static void print_range(struct json_object *r, struct json_object *devices)
{
	struct json_object *on = json_part(r, "devices");
	char what[64];

	printf("%s-%s managed\n", word(r, "start") + 2, word(r, "end") + 2);
	print_kb("Rss:", number(r, "ram_pages"));
	print_kb("Frozen:", number(r, "frozen_pages"));
	for (size_t i = 0; i < length(on); i++) {
		struct json_object *d = json_object_array_get_idx(on, i);
		uint64_t id = number(d, "device");

		snprintf(what, sizeof(what), "Device%" PRIu64 " (%s):", id,
			 name_of(devices, id));
		print_kb(what, number(d, "pages"));
	}
	print_kb("Poisoned:", number(r, "poisoned_pages"));
	print_kb("Empty:", number(r, "empty_pages"));
}

void stat_print(struct json_object *o)
{
	struct json_object *ranges = json_part(o, "ranges");
	struct json_object *devices = json_part(o, "devices");

	printf("process %" PRIu64 ", libuhmm %s, charge=%s, %s\n",
	       number(o, "pid"), word(o, "version"), word(o, "charge"),
	       word(o, "features"));
	print_memory(o, json_part(o, "stats"));
	print_events(json_part(o, "stats"));
	print_devices(devices);
	print_groups(json_part(o, "groups"));
	for (size_t i = 0; i < length(ranges); i++)
		print_range(json_object_array_get_idx(ranges, i), devices);
}
