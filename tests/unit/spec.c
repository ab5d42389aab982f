// SPDX-License-Identifier: MIT
/* Sizes, specifications, the registry, and what uhmm_device_open() refuses. */
#include <errno.h>

#include <uhmm/provider.h>

#include "../../providers/zram/codec.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "spec.h"
#include "sys/fail.h"
#include "test.h"

/* ---- Sizes ---- */

static void test_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "007", 7 },
		{ "64K", 65536 },
		{ "64k", 65536 },
		{ "2M", 2 << 20 },
		{ "1.5G", UINT64_C(3) << 29 },
		{ "0.5K", 512 },
		{ "1KiB", 1024 },
		{ "1.5GiB", UINT64_C(3) << 29 },
		{ "1.25T", UINT64_C(5) << 38 },
		{ "0.0000001G", 0 },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215T", UINT64_C(16777215) << 40 },
	};
	static const char *const bad[] = {
		"",	     " 1",	   "1 ",
		"-1",	     "+1",	   "K",
		"1KB",	     "1.K",	   ".5K",
		"1.5",	     "1..5K",	   "1e3",
		"0x10",	     "1Ki",	   "1kib",
		"1KiBs",     "1iB",	   "50%",
		"1,5K",	     "1Q",	   "18446744073709551616",
		"16777216T", "99999999G9",
	};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		bytes = 1;
		CHECK_EQ(uhmm_parse_size(good[i].text, &bytes), 0);
		CHECK_EQ(bytes, good[i].bytes);
	}
	bytes = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (uhmm_parse_size(bad[i], &bytes) != -EINVAL)
			fprintf(stderr, "\"%s\" was accepted\n", bad[i]);
		CHECK_EQ(uhmm_parse_size(bad[i], &bytes), -EINVAL);
	}
	CHECK_EQ(uhmm_parse_size(NULL, &bytes), -EINVAL);
	CHECK_EQ(bytes, 77);
}

/* ---- The form ---- */

static void test_form(void)
{
	struct spec s;
	const struct spec_part *p = s.parts;

	CHECK_EQ(spec_parse(&s, "error(op=to_dev,rate=1/7)/trace(file=/a(b)/"
				"x-9:1.5G,path=/c/d(e):f,k_1=v"),
		 0);
	CHECK_EQ(s.nr_parts, 3);
	CHECK_STR(p[0].name, "error");
	CHECK_EQ(p[0].nr_options, 2);
	CHECK_STR(p[0].options[1].key, "rate");
	CHECK_STR(p[0].options[1].value, "1/7");
	CHECK_STR(p[1].options[0].value, "/a(b");
	CHECK_STR(p[2].name, "x-9");
	CHECK_STR(s.size, "1.5G");
	CHECK_EQ(s.bytes, UINT64_C(3) << 29);
	CHECK_STR(p[2].options[0].value, "/c/d(e):f");
	CHECK_STR(p[2].options[1].key, "k_1");

	CHECK_EQ(spec_parse(&s, "numa,node=1"), 0);
	CHECK(!s.size);
	CHECK_EQ(spec_parse(&s, "a/b/ram:4K"), 0);
	CHECK_EQ(s.nr_parts, 3);
}

#define NO_SIZE "not a size (write 512M, 2G or 1.5GiB)"

static const struct {
	const char *text;
	const char *error;
	size_t at;
} malformed[] = {
	{ "", "a name is missing", 0 },
	{ "/ram:1M", "a name is missing", 0 },
	{ "error/", "a name is missing", 6 },
	{ "RAM:1M", "a name is missing", 0 },
	{ "ram :1M", "unexpected character", 3 },
	{ "ram:1M ", NO_SIZE, 4 },
	{ "ram:", NO_SIZE, 4 },
	{ "ram:,a=b", NO_SIZE, 4 },
	{ "ram:0", "the size is 0", 4 },
	{ "ram:1M,", "an option's name is missing", 7 },
	{ "ram:1M,a", "'=' is missing", 8 },
	{ "ram:1M,a=", "an option's value is missing", 9 },
	{ "ram:1M,a=b,", "an option's name is missing", 11 },
	{ "ram:1M,a=b,a=c", "an option is given twice", 11 },
	{ "ram:99999999999G", NO_SIZE, 4 },
	{ "ram(a=b):1M", "'/' is missing after ')'", 8 },
	{ "ram(a=b)", "'/' is missing after ')'", 8 },
	{ "e(a=b", "')' is missing", 5 },
	{ "e()/ram:1M", "an option's name is missing", 2 },
	{ "e(a=b,)/ram:1M", "an option's name is missing", 6 },
	{ "a/b/c/d/e/f/g/h/ram:1M", "too many wrappers", 16 },
	{ "r,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1,"
	  "q=1",
	  "too many options", 66 },
};

static void test_malformed(void)
{
	char text[SPEC_MAX + 1];
	struct spec s;

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		CHECK_EQ(spec_parse(&s, malformed[i].text), -EINVAL);
		CHECK_STR(s.error, malformed[i].error);
		CHECK_EQ(s.at, malformed[i].at);
	}
	memset(text, 'a', SPEC_MAX);
	text[SPEC_MAX] = '\0';
	CHECK_EQ(spec_parse(&s, text), -EINVAL);
	CHECK_STR(s.error, "too long");
	text[SPEC_MAX - 1] = '\0';
	CHECK_EQ(spec_parse(&s, text), 0);
}

/* ---- The registry ---- */

static int opened, released;

static int nothing(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return 0;
}

static void count_release(void *priv)
{
	released++;
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = nothing,
	.copy_to_ram = nothing,
	.release = count_release,
};

static const char *seen[2];

static int test_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	static char buf[2][16];

	for (int i = 0; i < 2; i++) {
		snprintf(buf[i], sizeof(buf[i]), "%s", values[i]);
		seen[i] = buf[i];
	}
	if (!strcmp(values[1], "says"))
		return uhmm_provider_fail(-ENODEV, "there is no card %d", 7);
	if (!strcmp(values[1], "enodev"))
		return -ENODEV;
	opened++;
	if (!desc->npages)
		desc->npages = 3;
	desc->ops = strcmp(values[1], "noops") ? &ops : NULL;
	return 0;
}

static const struct uhmm_option test_options[] = {
	{ "must", NULL, "" },
	{ "may", "dflt", "" },
	{ NULL, NULL, NULL },
};

static const struct uhmm_provider test_provider = {
	.size = sizeof(test_provider),
	.abi = UHMM_PROVIDER_ABI,
	.name = "test",
	.summary = "for this test",
	.options = test_options,
	.open = test_open,
};

static void test_registry(void)
{
	static struct uhmm_provider many[70];
	static char names[70][8];
	static const char *const builtin[] = { "ram",	"zram",	 "error",
					       "delay", "trace", "dax",
					       "file",	"numa",	 "kmod" };
	const size_t nr = sizeof(builtin) / sizeof(*builtin);
	const struct uhmm_provider *p = NULL;
	struct uhmm_provider bad = test_provider;
	int err;

	for (size_t i = 0; i < nr; i++) {
		p = uhmm_provider_next(p);
		CHECK(p);
		CHECK_STR(p->name, builtin[i]);
		CHECK(p->summary);
	}
	CHECK(!uhmm_provider_next(p));
	CHECK_EQ(uhmm_provider_register(&test_provider), 0);
	CHECK(uhmm_provider_next(p) == &test_provider);
	CHECK(!uhmm_provider_next(&test_provider));
	CHECK_EQ(uhmm_provider_register(&test_provider), -EEXIST);
	CHECK_EQ(uhmm_provider_register(NULL), -EINVAL);
	bad.abi++;
	CHECK_EQ(uhmm_provider_register(&bad), -EINVAL);
	bad = test_provider,
	bad.size = offsetof(struct uhmm_provider, list) - 1;
	CHECK_EQ(uhmm_provider_register(&bad), -EINVAL);
	bad = test_provider, bad.name = "No";
	CHECK_EQ(uhmm_provider_register(&bad), -EINVAL);
	bad = test_provider, bad.open = NULL;
	CHECK_EQ(uhmm_provider_register(&bad), -EINVAL);
	bad = test_provider, bad.name = "ram";
	CHECK_EQ(uhmm_provider_register(&bad), -EEXIST);
	for (int i = 0; i < 70; i++) {
		many[i] = test_provider;
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		many[i].name = names[i];
		err = uhmm_provider_register(&many[i]);
		CHECK_EQ(err, i < 63 ? 0 : -ENOSPC);
	}
}

/* ---- Devices ---- */

static char last_log[700];

static void on_log(void *arg, int level, const char *msg)
{
	snprintf(last_log, sizeof(last_log), "%s", msg);
}

static const struct {
	const char *spec;
	int err;
	const char *says;
} refused[] = {
	{ "ram:1M,", -EINVAL, "missing" },
	{ "ram:1M,colour=red", -EINVAL, "colour: unknown option" },
	{ "ram:1M,scrub=maybe", -EINVAL, "ram: scrub=maybe: write yes or no" },
	{ "ram", -EINVAL, "ram: there is no size; write it as ram:64M" },
	{ "ram:100", -EINVAL, "less than a page" },
	{ "ram:1000T", -ENOMEM, "more memory than there is" },
	{ "zram:100000T", -ENOMEM, "more memory than there is" },
	{ "zram:1M,level=0", -EINVAL,
	  "zram: level=0: levels of lz4 are -65537 to 9, without 0" },
	{ "zram:1M,level=10", -EINVAL, "zram" },
	{ "zram:1M,level=-", -EINVAL, "zram" },
	{ "zram:1M,level=-0", -EINVAL, "zram" },
	{ "zram:1M,level=1x", -EINVAL, "zram" },
	{ "zram:1M,level=-65538", -EINVAL, "zram" },
	{ "zram:1M,level=99999999999999999999", -EINVAL, "zram" },
	{ "zram:1M,level=", -EINVAL, "missing" },
	{ "zram:1M,level=best", -EINVAL, "levels of lz4" },
	{ "zram:1M,limit=x", -EINVAL, "zram: limit=x: not a size" },
	{ "zram:1M,algo=lzo", -EINVAL, "zram: algo=lzo: not lz4 or zstd" },
	{ "zram:1M,algo=LZ4", -EINVAL, "algo" },
	{ "zram", -EINVAL, "zram: there is no size; write it as zram:64M" },
	{ "nosuch:1M", -ENOENT, "nosuch: unknown provider; correct the name" },
	{ "nosuch/ram:1M", -ENOENT, "nosuch" },
	{ "ram/ram:1M", -EINVAL, "no wrapper" },
	{ "error", -EINVAL, "none is named" },
	{ "error(op=what)/ram:1M", -EINVAL,
	  "error: op=what: write to_dev, to_ram, clear or any" },
	{ "error(rate=0)/ram:1M", -EINVAL, "error: rate=0: write 1/N" },
	{ "error(rate=1/0)/ram:1M", -EINVAL, "error: rate=1/0: write 1/N" },
	{ "error(errno=EWHAT)/ram:1M", -EINVAL,
	  "error: errno=EWHAT: write EIO" },
	{ "error(nth=-1)/ram:1M", -EINVAL, "error: nth=-1: not a number" },
	{ "error(count=x)/ram:1M", -EINVAL, "error: count=x: not a number" },
	{ "error(seed=x)/ram:1M", -EINVAL, "error: seed=x: not a number" },
	{ "delay(us=fast)/ram:1M", -EINVAL,
	  "delay: us=fast: not a number from 0 to 10000000" },
	{ "delay(us=99999999)/ram:1M", -EINVAL,
	  "delay: us=99999999: not a number from 0 to 10000000" },
	{ "delay(perpage_ns=x)/ram:1M", -EINVAL, "delay: perpage_ns=x: not" },
	{ "delay(op=x)/ram:1M", -EINVAL, "delay: op=x: write to_dev" },
	{ "delay(hang=x)/ram:1M", -EINVAL, "delay: hang=x: not a number" },
	{ "delay(ms=x)/ram:1M", -EINVAL, "delay: ms=x: not a number" },
	{ "trace(file=/no/such/dir)/ram:1M", -ENOENT,
	  "trace: file=/no/such/dir: No such file or directory" },
	{ "dax", -EINVAL, "dax: there is no size; write it as dax:64M" },
	{ "dax,path=/no/such", -ENOENT,
	  "dax: path=/no/such: No such file or directory" },
	{ "dax,path=/dev/null", -ENXIO,
	  "dax: path=/dev/null: no device memory" },
	{ "file:1M,keep=maybe", -EINVAL, "file: keep=maybe: write yes or no" },
	{ "file:1M,overwrite=1", -EINVAL, "file: overwrite=1: write yes" },
	{ "file:1M,prealloc=1", -EINVAL, "file: prealloc=1: write yes or no" },
	{ "file:1M,direct=1", -EINVAL,
	  "file: direct=1: write yes, no or auto" },
	{ "file,path=/tmp", -EINVAL,
	  "file: /tmp: it has no page; give a size" },
	{ "numa,node=x", -EINVAL, "numa: node=x: not a number from 0 to 1023" },
	{ "numa,node=1023", -ENODEV, "numa: node=1023: there is no such node" },
	{ "test:1M", -EINVAL, "must: this option must be given" },
	{ "test:1M,must=1,may=says", -ENODEV, ": test: there is no card 7" },
	{ "delay/test:1M,must=1,may=says", -ENODEV,
	  "test: there is no card 7" },
	{ "test:1M,must=1,may=enodev", -ENODEV, "there is no such device" },
	{ "test:1M,must=1,may=noops", -EINVAL, "no usable device" },
};

static void check_refused(struct uhmm *u, const char *spec, int err,
			  const char *says)
{
	struct uhmm_device *dev = (struct uhmm_device *)1;

	last_log[0] = '\0';
	CHECK_EQ(uhmm_device_open(u, spec, &dev), err);
	if (!strstr(last_log, says))
		CHECK_STR(last_log, says);
	CHECK(dev == (struct uhmm_device *)1);
}

static void test_refused(struct uhmm *u)
{
	struct uhmm_device *dev = (struct uhmm_device *)1;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		check_refused(u, refused[i].spec, refused[i].err,
			      refused[i].says);
	CHECK_EQ(uhmm_device_open(u, NULL, &dev), -EINVAL);
	CHECK(dev == (struct uhmm_device *)1);
}

static void check_opened(struct uhmm *u, const char *spec)
{
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_open(u, spec, &dev), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

/* A build without zstd says what it lacks. */
static void test_zstd(struct uhmm *u)
{
	static const char *const bad[] = {
		"zram:1M,algo=zstd,level=0",
		"zram:1M,level=23,algo=zstd",
		"zram:1M,algo=zstd,level=-131073",
		"zram:1M,algo=zstd,level=best",
	};

	if (!codec_zstd.packer_len) {
		check_refused(u, "zram:1M,algo=zstd", -EOPNOTSUPP,
			      "libzstd and -Dzstd=enabled");
		return;
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(u, bad[i], -EINVAL,
			      "levels of zstd are -131072 to 22, without 0");
	check_opened(u, "zram:1M,algo=zstd");
	check_opened(u, "zram:1M,algo=zstd,level=22");
	check_opened(u, "zram:1M,algo=zstd,level=-131072");
}

static void test_opened(struct uhmm *u)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_open(u, "test,must=x", &dev), 0);
	CHECK_STR(seen[0], "x");
	CHECK_STR(seen[1], "dflt");
	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	CHECK_EQ(info.npages, 3);
	CHECK_STR(info.name, "test,must=x");
	CHECK_EQ(uhmm_device_open(u, "error(nth=5)/delay/test:10K,must=y,may=z",
				  &dev),
		 0);
	CHECK_STR(seen[1], "z");
	CHECK_EQ(uhmm_device_query(dev, &info), 0);
	CHECK_EQ(info.npages, 2);
	CHECK_EQ(opened, 2);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(released, 1);
	/* what was open already is released when a wrapper refuses */
	CHECK_EQ(uhmm_device_open(u, "delay/error(op=x)/test:1M,must=1", &dev),
		 -EINVAL);
	CHECK_EQ(opened, 3);
	CHECK_EQ(released, 2);
}

static int fail_aloud(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return uhmm_provider_fail(-EIO, "cable %d is out", (int)seg->dpfn);
}

static int fail(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return -EBADF;
}

/* The text of a failed callback is in its message, and in no later one. */
static void test_said(struct uhmm *u)
{
	static const struct uhmm_device_ops loud = {
		.size = sizeof(loud),
		.copy_to_devmem = fail_aloud,
		.copy_to_ram = fail,
	};
	const struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "loud",
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.npages = 4,
		.ops = &loud,
	};
	const struct uhmm_segment seg = { .dpfn = 3, .npages = 1 };
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_add(u, &desc, NULL, &dev), 0);
	CHECK_EQ(device_copy_in(dev, &seg, 1, 0), -EIO);
	CHECK(strstr(last_log, " failed: cable 3 is out: "));
	CHECK_EQ(device_copy_out(dev, &seg, 1, 0), -EBADF);
	CHECK(strstr(last_log, " failed: "));
	CHECK(!strstr(last_log, "cable"));
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

/* Out of memory at any point: refused, and it works the next time. */
static void test_no_memory(struct uhmm *u)
{
	const char *spec = "trace(file=/dev/null)/error(op=clear)/zram:1M";
	struct uhmm_device *dev;
	const char *failed;
	int nth = 0;

	do {
		int err;

		sys_fail_arm(++nth);
		err = uhmm_device_open(u, spec, &dev);
		failed = sys_fail_disarm();
		CHECK_EQ(err, failed ? -ENOMEM : 0);
	} while (failed);
	CHECK(nth > 5);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

int main(void)
{
	struct uhmm *u;

	test_sizes();
	test_form();
	test_malformed();
	test_registry();
	CHECK_EQ(core_open(NULL, mm_fake_open, &u), 0);
	uhmm_set_log(u, on_log, NULL);
	test_refused(u);
	test_zstd(u);
	released = opened = 0;
	test_opened(u);
	test_said(u);
	test_no_memory(u);
	CHECK_EQ(uhmm_close(u), 0);
	CHECK_EQ(released, opened);
	return 0;
}
