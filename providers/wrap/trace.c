// SPDX-License-Identifier: MIT
/*
 * trace.c - a wrapper that writes one line for each call, after its return.
 *
 *	trace[(file=PATH)]/...
 *
 *	to_dev 0+16 512+1 = 0 12345 ns
 *
 * A line names the runs of device pages (first page and number), the result and
 * the duration of the call.  Lines go to stderr, or are appended to the file.
 * Each line is one write(2), so that lines of several threads stay whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "wrap.h"

struct trace {
	struct wrap wrap;
	int fd;
};

/* One line, cut off if it gets too long. */
struct line {
	char text[400];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void
append_text(struct line *line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line->len += uhmm_vformat(line->text + line->len,
				  sizeof(line->text) - line->len, fmt, args);
	va_end(args);
}

static void append_runs(struct line *line, const struct uhmm_segment *seg,
			size_t nr)
{
	const size_t reserve = 100; /* keeps room for the rest of the line */

	for (size_t i = 0; i < nr; i++) {
		if (line->len > sizeof(line->text) - reserve) {
			append_text(line, " and %zu more", nr - i);
			return;
		}
		append_text(line, " %ju+%zu", (uintmax_t)seg[i].dpfn,
			    seg[i].npages);
	}
}

static void put(const struct trace *t, struct line *line)
{
	ssize_t n;

	line->text[line->len++] = '\n';
	n = write(t->fd, line->text, line->len);
	(void)n; /* an error cannot be reported */
}

/* Write a line about a call and its result. */
static void put_call(const struct trace *t, const char *call,
		     const struct uhmm_segment *seg, size_t nr, int err,
		     uint64_t start)
{
	struct line line = { .len = 0 };
	uint64_t ns = wrap_now_ns() - start;

	append_text(&line, "%s", call);
	append_runs(&line, seg, nr);
	append_text(&line, " = %d %ju ns", err, (uintmax_t)ns);
	put(t, &line);
}

static int trace_to_devmem(void *priv, const struct uhmm_segment *seg,
			   size_t nr)
{
	const struct trace *t = priv;
	uint64_t start = wrap_now_ns();
	int err = t->wrap.inner->copy_to_devmem(t->wrap.priv, seg, nr);

	put_call(t, "to_dev", seg, nr, err, start);
	return err;
}

static int trace_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	const struct trace *t = priv;
	uint64_t start = wrap_now_ns();
	int err = t->wrap.inner->copy_to_ram(t->wrap.priv, seg, nr);

	put_call(t, "to_ram", seg, nr, err, start);
	return err;
}

static int trace_clear(void *priv, uint64_t dpfn, size_t npages)
{
	const struct uhmm_segment seg = { .dpfn = dpfn, .npages = npages };
	const struct trace *t = priv;
	uint64_t start = wrap_now_ns();
	int err = t->wrap.inner->clear(t->wrap.priv, dpfn, npages);

	put_call(t, "clear", &seg, 1, err, start);
	return err;
}

static const void *trace_direct(void *priv, uint64_t dpfn, size_t npages)
{
	const struct uhmm_segment seg = { .dpfn = dpfn, .npages = npages };
	const struct trace *t = priv;
	uint64_t start = wrap_now_ns();
	const void *p = t->wrap.inner->direct(t->wrap.priv, dpfn, npages);

	put_call(t, "direct", &seg, 1, p ? 0 : -ENXIO, start);
	return p;
}

static void trace_page_free(void *priv, uint64_t dpfn, size_t npages)
{
	const struct uhmm_segment seg = { .dpfn = dpfn, .npages = npages };
	const struct trace *t = priv;
	uint64_t start = wrap_now_ns();

	if (t->wrap.inner->page_free)
		t->wrap.inner->page_free(t->wrap.priv, dpfn, npages);
	put_call(t, "free", &seg, 1, 0, start);
}

static void trace_release(void *priv)
{
	struct trace *t = priv;
	struct line line = { .len = 0 };

	append_text(&line, "release");
	put(t, &line);
	if (t->fd != STDERR_FILENO)
		uhmm_fd_close(t->fd);
	wrap_release(t);
}

static int open_trace(const char *path)
{
	int fd;

	if (!*path)
		return STDERR_FILENO;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return uhmm_provider_fail(-errno, "file=%s: %s", path,
					  strerrordesc_np(errno));
	return uhmm_fd_keep(fd);
}

static int trace_wrap(const char *const *values,
		      const struct uhmm_device_desc *inner, void *inner_priv,
		      struct uhmm_device_desc *desc, void **ret_priv)
{
	struct trace *t;
	int fd = open_trace(values[0]);

	if (fd < 0)
		return fd;
	t = wrap_new(sizeof(*t), inner, inner_priv, desc);
	if (!t) {
		if (fd != STDERR_FILENO)
			uhmm_fd_close(fd);
		return -ENOMEM;
	}
	t->fd = fd;
	t->wrap.ops.copy_to_devmem = trace_to_devmem;
	t->wrap.ops.copy_to_ram = trace_to_ram;
	if (inner->ops->clear)
		t->wrap.ops.clear = trace_clear;
	if (inner->ops->direct)
		t->wrap.ops.direct = trace_direct;
	t->wrap.ops.page_free = trace_page_free;
	t->wrap.ops.release = trace_release;
	*ret_priv = t;
	return 0;
}

static const struct uhmm_option options[] = {
	{ "file", "", "append to this file; otherwise to stderr" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_trace = {
	.size = sizeof(provider_trace),
	.abi = UHMM_PROVIDER_ABI,
	.name = "trace",
	.summary = "writes a line for each call to the device below",
	.options = options,
	.wrap = trace_wrap,
};
