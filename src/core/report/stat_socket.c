/* SPDX-License-Identifier: MIT */
/*
 * stat_socket.c - the figures of this context for "uhmm stat", by a socket.
 *
 * DOC: Protocol
 *
 * The socket is in $XDG_RUNTIME_DIR/uhmm, or else in /tmp/uhmm-UID, and named
 * PID-N for the N-th context of the process.  The caller sends one byte: 's';
 * 'r' to have ranges too; or 'l', digits and a newline, by which the limit on
 * RAM is set to so many bytes first.  The caller gets lines of words separated
 * by blanks:
 *
 *	uhmm VERSION PID FEATURES
 *	stat NAME VALUE
 *	limit BYTES tier|keep
 *	device ID NAME PAGES USED STORED-BYTES IN OUT ERRORS
 *	group ID PARENT NAME RAM ALL LIMIT-BYTES EXCEEDED
 *	on GROUP DEVICE PAGES LIMIT-BYTES EXCEEDED
 *	range START END RAM FROZEN DEVICES POISONED EMPTY
 *	in RANGE-START DEVICE PAGES
 *	end
 *
 * and the end of the file.  A reader ignores words that it does not know.
 *
 * The thread has a stack of the library's own, never calls malloc(3), and waits
 * at most a second at a time for a caller.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/report/listing.h"
#include "core/report/stat_socket.h"
#include "sys/fds.h"
#include "sys/kernel.h"
#include "sys/local.h"

/* The reply, which is sent in pieces. */
struct reply {
	struct uhmm *u;
	int fd, err;
	size_t len;
	char buf[4096];
};

static void flush_reply(struct reply *r)
{
	if (!r->err)
		r->err = sys_socket_write(r->fd, r->buf, r->len);
	r->len = 0;
}

#define LINE	   512
#define MAX_DIGITS 18 /* of a number that a caller sends */
#define REST_NS	   (100 * 1000 * 1000)
#define say(r, ...)                                                         \
	do {                                                                \
		if (sizeof((r)->buf) - (r)->len < LINE)                     \
			flush_reply(r);                                     \
		(r)->len +=                                                 \
			sys_format((r)->buf + (r)->len, LINE, __VA_ARGS__); \
	} while (0)

/* ---- What there is to say --------------------------------------------- */

#define STAT(name)                                       \
	{                                                \
#name, offsetof(struct uhmm_stats, name) \
	}
static const struct {
	const char *name;
	size_t at;
} stat_names[] = {
	STAT(faults),	      STAT(soft_faults),    STAT(zero_faults),
	STAT(spurious),	      STAT(to_device),	    STAT(to_ram),
	STAT(refused),	      STAT(touched),	    STAT(discarded),
	STAT(evicted),	      STAT(poisoned),	    STAT(errors),
	STAT(limit_waits),    STAT(limit_exceeded), STAT(ram_pages),
	STAT(ram_peak),	      STAT(device_pages),   STAT(frozen_pages),
	STAT(pool_pages),     STAT(blocked_ns),	    STAT(fault_p50_ns),
	STAT(fault_p99_ns),   STAT(fault_max_ns),   STAT(unwritten),
	STAT(kept_pages),     STAT(total_pages),    STAT(total_peak),
	STAT(sunk),	      STAT(unmanaged_peak), STAT(unmanaged_shared),
	STAT(unmanaged_huge), STAT(refaults),	    STAT(thrash_addr),
	STAT(thrash_len),     STAT(unchanged),
};

static unsigned long long at(const void *s, size_t offset)
{
	uint64_t v;

	memcpy(&v, (const char *)s + offset, sizeof(v));
	return v;
}

static void say_stats(struct reply *r)
{
	struct uhmm_stats s = { .size = sizeof(s) };
	uint32_t v = uhmm_version();
	char features[256] = "";

	uhmm_features(r->u, features, sizeof(features));
	say(r, "uhmm %u.%u.%u %d %s\n", v >> 16, v >> 8 & 0xff, v & 0xff,
	    sys_pid(), features);
	uhmm_stats(r->u, &s);
	for (size_t i = 0; i < sizeof(stat_names) / sizeof(*stat_names); i++)
		say(r, "stat %s %llu\n", stat_names[i].name,
		    at(&s, stat_names[i].at));
	say(r, "limit %llu %s\n",
	    (unsigned long long)charge_asked(&r->u->charge.root)
		    << MM_PAGE_SHIFT,
	    r->u->charge.keep ? "keep" : "tier");
}

/* Make one word of a provider's device name, whatever characters it has. */
static void one_word(char *ret, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len && name[i]; i++)
		ret[i] = name[i] > ' ' && name[i] <= '~' ? name[i] : '_';
	ret[i] = '\0';
}

/* Query device @id with the table locked, so that the device stays. */
static bool query_device(struct uhmm *u, unsigned id,
			 struct uhmm_device_info *ret)
{
	struct uhmm_device *dev;
	bool ok;

	sys_mutex_lock(&u->devices_lock);
	dev = device_get(u, id);
	ok = dev && !uhmm_device_query(dev, ret);
	sys_mutex_unlock(&u->devices_lock);
	return ok;
}

static void say_devices(struct reply *r)
{
	for (unsigned id = 1; id < MAX_DEVICES; id++) {
		struct uhmm_device_info i = { .size = sizeof(i) };
		char name[sizeof(i.name)];

		if (!query_device(r->u, id, &i))
			continue;
		one_word(name, i.name, sizeof(name));
		say(r, "device %u %s %llu %llu %llu %llu %llu %llu\n", id, name,
		    (unsigned long long)i.npages, (unsigned long long)i.used,
		    (unsigned long long)i.stored_bytes,
		    (unsigned long long)i.pages_in,
		    (unsigned long long)i.pages_out,
		    (unsigned long long)i.errors);
	}
}

static unsigned long long tier_limit_of(struct uhmm_group *g, unsigned tier)
{
	return atomic_load(&g->tier[tier].limit) << MM_PAGE_SHIFT;
}

static void say_group(struct reply *r, struct uhmm_group *g)
{
	say(r, "group %u %u %s %llu %llu %llu %llu\n", g->id,
	    g->parent ? g->parent->id : 0, g->name,
	    (unsigned long long)charge_pages(g, 0),
	    (unsigned long long)charge_all(g), tier_limit_of(g, 0),
	    (unsigned long long)atomic_load(&g->tier[0].exceeded));
	device_for_each(r->u, dev) {
		unsigned long long pages = charge_pages(g, dev->id);
		unsigned long long limit = tier_limit_of(g, dev->id);

		if (pages || limit)
			say(r, "on %u %u %llu %llu %llu\n", g->id, dev->id,
			    pages, limit,
			    (unsigned long long)atomic_load(
				    &g->tier[dev->id].exceeded));
	}
}

/* Groups, if any group or limit was ever made; otherwise only the root. */
static void say_groups(struct reply *r)
{
	for (uint32_t n = 0; n < atomic_load(&r->u->charge.end); n++) {
		struct uhmm_group *g = charge_nth(r->u, n);

		if (g)
			say_group(r, g);
	}
}

static void say_range(struct reply *r, uintptr_t s, uintptr_t e)
{
	struct listing l;

	if (listing_count(r->u, s, e, &l))
		return;
	say(r, "range %#lx %#lx %llu %llu %llu %llu %llu\n", (long)s, (long)e,
	    (unsigned long long)l.on[0], (unsigned long long)l.frozen,
	    (unsigned long long)listing_away(&l),
	    (unsigned long long)l.poisoned, (unsigned long long)l.empty);
	for (unsigned id = 1; id < MAX_DEVICES; id++)
		if (l.on[id])
			say(r, "in %#lx %u %llu\n", (long)s, id,
			    (unsigned long long)l.on[id]);
}

static void say_ranges(struct reply *r)
{
	uintptr_t from = 0, s, e;

	while (!r->err && !atomic_load(&r->u->serve.stop) &&
	       listing_next(r->u, from, &s, &e)) {
		say_range(r, s, e);
		from = e;
	}
}

/* Read a number and a newline; any other input is refused. */
static bool read_number(int fd, uint64_t *ret)
{
	uint64_t n = 0;
	char c;

	for (unsigned i = 0; i <= MAX_DIGITS; i++) {
		if (sys_socket_read(fd, &c, 1) != 1)
			return false;
		if (c == '\n') {
			*ret = n;
			return i > 0;
		}
		if (c < '0' || c > '9')
			return false;
		n = n * 10 + (unsigned)(c - '0');
	}
	return false;
}

/* The line "limit" of the reply tells the caller whether the limit was set. */
static bool take_limit(struct uhmm *u, int fd)
{
	uint64_t bytes;

	if (!read_number(fd, &bytes))
		return false;
	uhmm_set_ram_limit(u, bytes);
	return true;
}

static void answer(struct uhmm *u, int fd)
{
	struct reply r;
	char what;

	if (sys_socket_read(fd, &what, 1) != 1)
		return;
	if (what == 'l' && !take_limit(u, fd))
		return;
	r.u = u;
	r.fd = fd;
	r.err = 0;
	r.len = 0;
	say_stats(&r);
	say_devices(&r);
	say_groups(&r);
	if (what == 'r')
		say_ranges(&r);
	say(&r, "end\n");
	flush_reply(&r);
}

/* ---- The thread ------------------------------------------------------- */

/*
 * Return: somebody may wait.  poll(2) takes no more descriptors than the
 * process may open; then look from time to time.
 */
static bool wait_for_peer(const struct serve *s)
{
	struct pollfd fds[] = { { .fd = s->fd, .events = POLLIN },
				{ .fd = s->wake, .events = POLLIN } };
	_Atomic uint32_t nobody = 0;

	if (sys_poll(fds, 2, -1) != -EINVAL)
		return fds[0].revents & POLLIN;
	sys_futex_wait(&nobody, 0, REST_NS);
	return true;
}

static void serve_main(void *arg)
{
	struct uhmm *u = arg;
	struct serve *s = &u->serve;

	while (!atomic_load(&s->stop)) {
		int peer;

		if (!wait_for_peer(s))
			continue;
		peer = sys_socket_accept(s->fd);
		if (peer < 0)
			continue;
		answer(u, peer);
		sys_close(peer);
	}
}

/* ---- Where ------------------------------------------------------------ */

/* Into @ret, which has room for SYS_SOCKET_PATH. */
static int find_dir(char *ret)
{
	const char *run = sys_getenv("XDG_RUNTIME_DIR");
	size_t len = run ? strlen(run) : 0;

	if (len && *run == '/' && len < SYS_SOCKET_PATH - 40 &&
	    sys_is_own_dir(run)) {
		sys_format(ret, SYS_SOCKET_PATH, "%s/uhmm", run);
		if (!sys_private_dir(ret))
			return 0;
	}
	sys_format(ret, SYS_SOCKET_PATH, "/tmp/uhmm-%u", sys_uid());
	return sys_private_dir(ret);
}

/* ---- Life ------------------------------------------------------------- */

static struct sys_mutex list_lock;
static struct serve *list;
static _Atomic unsigned nr_served; /* of this process, ever */

static void enlist_server(struct serve *s)
{
	sys_mutex_lock(&list_lock);
	s->next = list;
	list = s;
	sys_mutex_unlock(&list_lock);
}

static void delist_server(struct serve *s)
{
	sys_mutex_lock(&list_lock);
	for (struct serve **p = &list; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	sys_mutex_unlock(&list_lock);
}

/* Most programs end without closing; in a child they are not ours. */
__attribute__((destructor)) static void unlink_all(void)
{
	for (struct serve *s = list; s; s = s->next)
		if (s->pid == sys_pid())
			sys_unlink(s->path);
}

void serve_lock(void)
{
	sys_mutex_lock(&list_lock);
}

void serve_unlock(void)
{
	sys_mutex_unlock(&list_lock);
}

static int start_server(struct uhmm *u)
{
	struct serve *s = &u->serve;
	char dir[SYS_SOCKET_PATH];
	int err = find_dir(dir);

	if (err)
		return err;
	s->pid = sys_pid();
	if (sys_format(s->path, sizeof(s->path), "%s/%d-%u", dir, s->pid,
		       atomic_fetch_add(&nr_served, 1)) == sizeof(s->path) - 1)
		return -ENAMETOOLONG;
	s->wake = sys_fd_keep(sys_eventfd(), SYS_FD_FAR);
	if (s->wake < 0)
		return s->wake;
	s->fd = sys_fd_keep(sys_socket_listen(s->path), SYS_FD_FAR);
	if (s->fd < 0)
		return s->fd;
	err = sys_thread_start(&s->thread, serve_main, u, -1, "uhmm-stat");
	s->running = !err;
	return err;
}

void serve_init(struct uhmm *u)
{
	u->serve.fd = u->serve.wake = -1;
}

void serve_start(struct uhmm *u)
{
	int err = start_server(u);

	if (!err) {
		enlist_server(&u->serve);
		return;
	}
	/* no warning: the program did not ask to be asked */
	sys_logf(&u->log, SYS_INFO,
		 "no statistics for \"uhmm stat\": socket %s: %s",
		 *u->serve.path ? u->serve.path : "folder", sys_error(err));
	serve_stop(u);
}

void serve_stop(struct uhmm *u)
{
	struct serve *s = &u->serve;

	if (s->running) {
		atomic_store(&s->stop, true);
		sys_eventfd_set(s->wake);
		sys_thread_join(&s->thread);
		s->running = false;
		delist_server(s);
	}
	if (s->fd >= 0)
		sys_unlink(s->path);
	serve_child(u);
}

void serve_child(struct uhmm *u)
{
	struct serve *s = &u->serve;

	sys_close(s->fd);
	sys_close(s->wake);
	s->fd = s->wake = -1;
}
