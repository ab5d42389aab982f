// SPDX-License-Identifier: MIT
/*
 * A summary of the run, printed when the program ends.
 *
 * Programs close their standard error before the destructors run, so a copy of
 * that descriptor is kept at a high number.  The code below neither allocates
 * nor uses stdio's streams: the program is already ending.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <uhmm/budget.h>
#include <uhmm/provider.h>

#include "preload.h"

#define MIB 1048576.0

struct text {
	char data[2048];
	size_t len;
};

static int error_fd = -1;

/* At a high number, where no program expects its next descriptor. */
static int keep_copy(int fd)
{
	static const int floors[] = { 1000, 250, 100, 3 };
	int copy = -1;

	for (size_t i = 0; copy < 0 && i < sizeof(floors) / sizeof(floors[0]);
	     i++)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, floors[i]);
	return copy;
}

/* False: not all bytes could be written; errno says why. */
static bool write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

void say(const char *fmt, ...)
{
	static const char prefix[] = "uhmm run: ";
	char line[512];
	size_t len = sizeof(prefix) - 1;
	va_list ap;

	memcpy(line, prefix, len);
	va_start(ap, fmt);
	len += uhmm_vformat(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	line[len++] = '\n';
	(void)write_all(error_fd >= 0 ? error_fd : STDERR_FILENO, line, len);
}

__attribute__((format(printf, 2, 3))) static void add(struct text *t,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->len += uhmm_vformat(t->data + t->len, sizeof(t->data) - t->len, fmt,
			       ap);
	va_end(ap);
}

static double mib(uint64_t pages)
{
	return (double)pages * PAGE / MIB;
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void add_devices(struct text *t)
{
	struct uhmm_device *dev;

	for (size_t i = 0; (dev = manage_device(i)); i++) {
		struct uhmm_device_info info = { .size = sizeof(info) };

		if (uhmm_device_query(dev, &info) < 0)
			continue;
		add(t, "  device %-12s %10.1f MiB of %.1f MiB used", info.name,
		    mib(info.used), mib(info.npages));
		if (info.used && info.stored_bytes)
			add(t, ", stored in %.1f MiB, compression ratio %.2f",
			    (double)info.stored_bytes / MIB,
			    (double)info.used * PAGE /
				    (double)info.stored_bytes);
		add(t, "\n");
	}
}

static void add_faults(struct text *t, const struct uhmm_stats *s)
{
	add(t,
	    "  faults              %10llu from devices, %llu from frames, "
	    "%llu first touches\n",
	    (unsigned long long)s->faults, (unsigned long long)s->soft_faults,
	    (unsigned long long)s->zero_faults);
	add(t,
	    "  fault time          %10.1f us p50, %.1f us p99, %.1f us max\n",
	    us(s->fault_p50_ns), us(s->fault_p99_ns), us(s->fault_max_ns));
	add(t, "  time blocked        %10.3f s\n", (double)s->blocked_ns / 1e9);
}

static void add_trouble(struct text *t, const struct uhmm_stats *s,
			const struct manage_state *m)
{
	add(t,
	    "  limit exceeded      %10llu times, waited for room %llu times\n",
	    (unsigned long long)s->limit_exceeded,
	    (unsigned long long)s->limit_waits);
	if (s->thrash_len)
		add(t,
		    "  thrashing           %10.1f MiB came home too soon, most "
		    "at %#llx-%#llx\n",
		    mib(s->refaults), (unsigned long long)s->thrash_addr,
		    (unsigned long long)(s->thrash_addr + s->thrash_len));
	if (s->errors || s->poisoned)
		add(t, "  device errors       %10llu, pages lost %llu\n",
		    (unsigned long long)s->errors,
		    (unsigned long long)s->poisoned);
	if (s->unmanaged_peak)
		add(t,
		    "  not managed, in RAM %10.1f MiB at most: shared %.1f, "
		    "huge pages %.1f, others %.1f\n",
		    mib(s->unmanaged_peak), mib(s->unmanaged_shared),
		    mib(s->unmanaged_huge),
		    mib(s->unmanaged_peak - s->unmanaged_shared -
			s->unmanaged_huge));
	if (m->unmanaged)
		add(t, "  not managed         %10.1f MiB: %s\n",
		    (double)m->unmanaged / MIB, strerrordesc_np(-m->why));
}

/* Only where the kernel's faults are not served. */
static void add_calls(struct text *t)
{
	uint64_t again, held;

	if (!calls_count(&again, &held))
		return;
	add(t,
	    "  system calls        %10llu made again, memory held for %llu; "
	    "those past libc\n                                 not covered, "
	    "see uhmm-run(1)\n",
	    (unsigned long long)again, (unsigned long long)held);
}

/* With "resident" the limit is on managed RAM, else on all RAM. */
static void add_limit(struct text *t, const struct uhmm_stats *s)
{
	double limit = (double)settings.ram / MIB;

	if (settings.resident) {
		add(t, "  peak managed RAM    %10.1f MiB, limit %.1f MiB\n",
		    mib(s->ram_peak), limit);
		return;
	}
	add(t, "  peak RAM            %10.1f MiB, limit %.1f MiB\n",
	    mib(s->total_peak), limit);
	add(t, "  peak managed RAM    %10.1f MiB, without what devices take\n",
	    mib(s->ram_peak));
}

static void add_others(struct text *t)
{
	struct uhmm_budget_info b;

	if (!budget_query(&b) || b.joined < 2)
		return;
	add(t, "  processes           %10u, all together %.1f MiB at most\n",
	    b.joined, (double)b.peak / MIB);
}

static void add_managed(struct text *t, const struct manage_state *m)
{
	struct uhmm_stats s = { .size = sizeof(s) };
	int err = uhmm_stats(m->u, &s);

	if (err < 0) {
		add(t, "uhmm run: the statistics cannot be had: %s\n",
		    strerrordesc_np(-err));
		return;
	}
	add(t, "uhmm run: summary\n");
	add_limit(t, &s);
	add(t, "  moved to devices    %10.1f MiB\n", mib(s.to_device));
	add(t, "  moved home          %10.1f MiB\n", mib(s.to_ram));
	if (s.unchanged)
		add(t, "  left unchanged      %10.1f MiB\n", mib(s.unchanged));
	if (s.sunk)
		add(t, "  sank to lower tiers %10.1f MiB\n", mib(s.sunk));
	add_faults(t, &s);
	add_calls(t);
	add_devices(t);
	add_trouble(t, &s, m);
	add_others(t);
}

/* Also where all else fits. */
static void add_shared(struct text *t)
{
	int why;
	size_t bytes = shared_unmanaged(&why);

	if (bytes)
		add(t, "  shared memory       %10.1f MiB not managed: %s\n",
		    (double)bytes / MIB,
		    why ? strerrordesc_np(-why) : "--shared=no");
}

static void compose(struct text *t)
{
	struct manage_state m;

	manage_state(&m);
	if (m.started) {
		add_managed(t, &m);
	} else if (m.error) {
		add(t, "uhmm run: memory could not be managed: %s\n",
		    strerrordesc_np(-m.error));
	} else {
		add(t,
		    "uhmm run: everything fitted: at most %.1f MiB of %.1f MiB "
		    "were asked for, nothing was managed\n",
		    (double)m.peak / MIB, (double)settings.ram / MIB);
		add_others(t);
	}
	add_shared(t);
}

static int open_target(void)
{
	if (strcmp(settings.summary, "-") == 0)
		return error_fd;
	return open(settings.summary,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
}

void summary_write(void)
{
	static _Atomic bool written;
	struct text t = { .len = 0 };
	int fd;

	/* After it was written a filter may forbid even getpid(2). */
	if (!settings.summary || thread.inside || atomic_load(&written) ||
	    getpid() != settings.pid || atomic_exchange(&written, true))
		return;
	inside_enter();
	compose(&t);
	fd = open_target();
	if (fd < 0 || !write_all(fd, t.data, t.len))
		say("the summary cannot be written to \"%s\": %s",
		    settings.summary, strerrordesc_np(errno));
	inside_leave();
}

void summary_init(void)
{
	if (settings.summary && getpid() == settings.pid)
		error_fd = keep_copy(STDERR_FILENO);
}
