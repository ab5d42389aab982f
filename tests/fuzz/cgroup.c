// SPDX-License-Identifier: MIT
/*
 * Any line is either parsed, into paths that lie within bounds, or passed over.
 *
 * With -fsanitize=fuzzer this is a libFuzzer target (define FUZZER).  Without,
 * it runs on random lines made of what such files have.
 */
#include "core/limit/cgroup.h"
#include "test.h"

#define MOST (3 * CGROUP_PATH)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_path(const char *path)
{
	CHECK(*path == '/');
	CHECK(memchr(path, '\0', CGROUP_PATH));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char line[MOST], part[CGROUP_PATH], at[CGROUP_PATH];
	uint64_t limit = 7;

	if (len >= sizeof(line))
		len = sizeof(line) - 1;
	memcpy(line, data, len);
	line[len] = '\0';
	memset(part, 'x', sizeof(part));
	memset(at, 'x', sizeof(at));
	if (cgroup_parse_path(CGROUP_V2, line, at)) {
		check_path(at);
		CHECK(!strstr(at, "/../"));
		CHECK_STR(line + 3, at);
	}
	if (cgroup_parse_path(CGROUP_V1, line, at)) {
		check_path(at);
		CHECK(!strstr(at, "/../"));
		CHECK(strstr(line, "memory"));
	}
	if (cgroup_parse_mount(CGROUP_V1, line, part, at)) {
		check_path(part);
		check_path(at);
		CHECK(strstr(line, " cgroup "));
	}
	if (cgroup_parse_mount(CGROUP_V2, line, part, at)) {
		check_path(part);
		check_path(at);
		CHECK(strstr(line, " cgroup2"));
	}
	if (cgroup_parse_limit(line, &limit))
		CHECK_EQ(cgroup_share(limit) % 4096, 0);
	else
		CHECK_EQ(limit, 7);
	return 0;
}

#ifndef FUZZER
static const char *const words[] = {
	"0::",
	"/",
	"..",
	"a",
	"4:memory:",
	"max",
	"0",
	"99",
	" ",
	"\\040",
	"\\1",
	"\\",
	"- ",
	"cgroup2",
	" rw ",
	"1 2 3 ",
	"/x/y",
	"\xff",
	"- cgroup2 cgroup2 rw",
	"0::/a/../b",
	"24 22 0:22 / /sys/fs/cgroup rw shared:8 ",
};

int main(void)
{
	int runs = test_is_soak() ? 100000000 : 300000;
	uint64_t rng = test_seed();
	char text[MOST + 64];

	while (runs--) {
		size_t nr = test_below(&rng, test_below(&rng, 50) ? 12 : 1500);
		size_t len = 0;

		for (; nr && len < MOST; nr--) {
			const char *w = words[test_below(
				&rng, sizeof(words) / sizeof(words[0]))];

			memcpy(text + len, w, strlen(w));
			len += strlen(w);
		}
		LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	}
	return 0;
}
#endif
