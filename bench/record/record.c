// SPDX-License-Identifier: MIT
/*
 * record.c - records which pages a program touches, for "uhmm bench policy":
 * a library for LD_PRELOAD, see scripts/record-trace.
 *
 * A thread keeps the last RECORD_WINDOW pages that faulted at their addresses,
 * and moves the one that came first into a *store*.  A touch of a page of the
 * store faults; the thread notes the page and moves it back.  So the log has
 * each touch of a page that is not among the last RECORD_WINDOW that faulted,
 * in order, and none of the others: for a memory that is much larger than the
 * window little is lost.
 *
 * The thread finds new mappings by reading /proc/self/maps every millisecond.
 * Pages that were touched before that are noted in the order of their
 * addresses.  Private anonymous memory is recorded, stacks of the program
 * included, but not small mappings; what a child of fork(2) does is not.
 *
 * An entry of the log is a page's number, shifted by one; the lowest bit is
 * set where the program gave the page back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Linux 6.8; headers may be older. */
struct move {
	uint64_t dst, src, len, mode;
	int64_t moved;
};
#define MOVE	     _IOWR(UFFDIO, 0x05, struct move)
#define FEATURE_MOVE (UINT64_C(1) << 16)

#define PAGE	    ((uintptr_t)4096)
#define MAX_PAGES   (UINT32_C(1) << 22) /* known at a time; a power of two */
#define STORE_PAGES (UINT64_C(1) << 20)
#define MAX_ENTRIES (UINT64_C(1) << 27)
#define MAX_AREAS   4096
#define STACK	    ((size_t)1 << 20)
#define SCAN_NS	    1000000
#define LEAST	    ((uintptr_t)64 << 10) /* bytes of a mapping */

/* The state of a page. */
struct known {
	uintptr_t va;  /* 0: free */
	uint32_t slot; /* in the store, from 1; 0: at its address */
	bool gone;
};

static struct {
	int fd, maps, pagemap;
	uint64_t *log;
	_Atomic uint64_t *nr_log;
	struct known *known;
	char *store, *stack;
	uint32_t *spare; /* free pages of the store */
	uint32_t nr_spare, window;
	uintptr_t *queue; /* pages at their addresses: a ring */
	uint64_t first, last;
	struct {
		uintptr_t start, end;
	} area[MAX_AREAS];
	unsigned nr_areas;
	char zero[4096] __attribute__((aligned(4096)));
	char text[1 << 20];
} * r;

static void *shared(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static _Noreturn void stop(const char *why)
{
	fprintf(stderr, "record: %s: %s\n", why, strerror(errno));
	_exit(125);
}

static void note(uintptr_t va, bool freed)
{
	uint64_t n = *r->nr_log;

	if (n == MAX_ENTRIES)
		stop("the log is full");
	r->log[n] = va / PAGE << 1 | freed;
	*r->nr_log = n + 1;
}

/* The entry of @va, or a free one. */
static struct known *find_page(uintptr_t va)
{
	uint32_t at =
		(uint32_t)(va / PAGE * UINT64_C(0x9e3779b97f4a7c15) >> 40);

	for (uint32_t k = 0; k < MAX_PAGES; k++) {
		struct known *p = &r->known[(at + k) % MAX_PAGES];

		if (!p->va || p->va == va)
			return p;
	}
	stop("too many pages");
}

/* ---- Pages go and come -------------------------------------------------- */

static bool move_page(uintptr_t to, uintptr_t from)
{
	struct move m = { .dst = to, .src = from, .len = PAGE };

	return !ioctl(r->fd, MOVE, &m);
}

static uintptr_t slot_at(uint32_t slot)
{
	return (uintptr_t)r->store + (slot - 1) * PAGE;
}

/* Move out the page that came first.  One that cannot move is forgotten. */
static void send_first(void)
{
	uintptr_t va = r->queue[r->first++ % r->window];
	struct known *p = find_page(va);
	uint32_t slot;

	if (p->gone || p->slot || !r->nr_spare)
		return;
	slot = r->spare[r->nr_spare - 1];
	if (!move_page(slot_at(slot), va))
		return;
	r->nr_spare--;
	p->slot = slot;
}

/* @va is at its address now. */
static void page_came(uintptr_t va)
{
	struct known *p = find_page(va);

	p->va = va;
	p->gone = false;
	note(va, false);
	if (r->last - r->first == r->window)
		send_first();
	r->queue[r->last++ % r->window] = va;
}

static void give_zero(uintptr_t va)
{
	struct uffdio_copy c = { .dst = va,
				 .src = (uintptr_t)r->zero,
				 .len = PAGE };

	ioctl(r->fd, UFFDIO_COPY, &c);
}

static void serve(uintptr_t va)
{
	struct known *p = find_page(va);
	struct uffdio_range wake = { .start = va, .len = PAGE };

	if (p->va && p->slot) {
		if (!move_page(va, slot_at(p->slot)) && errno == EAGAIN)
			goto out; /* touched again after an event */
		r->spare[r->nr_spare++] = p->slot;
		p->slot = 0;
	} else {
		give_zero(va);
	}
	page_came(va);
out:
	ioctl(r->fd, UFFDIO_WAKE, &wake);
}

/* ---- Mappings ----------------------------------------------------------- */

static void forget(uintptr_t start, uintptr_t end)
{
	for (uintptr_t va = start; va < end; va += PAGE) {
		struct known *p = find_page(va);

		if (!p->va || p->gone)
			continue;
		p->slot = 0; /* not used again: to drop it would be an event */
		p->gone = true;
		note(va, true);
	}
}

static void remapped(uintptr_t from, uintptr_t to, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE) {
		struct known *p = find_page(from + i), *q;
		uint32_t slot = p->slot;

		if (!p->va || p->gone)
			continue;
		p->slot = 0;
		p->gone = true;
		note(from + i, true);
		q = find_page(to + i);
		q->va = to + i;
		q->slot = slot;
		q->gone = false;
	}
}

static bool enroll(uintptr_t start, uintptr_t end)
{
	struct uffdio_register reg = { .range = { start, end - start },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };

	return !ioctl(r->fd, UFFDIO_REGISTER, &reg);
}

/* Note the pages of a new mapping that are there already. */
static void note_present(uintptr_t start, uintptr_t end)
{
	for (uintptr_t va = start; va < end; va += PAGE) {
		uint64_t e = 0;

		if (pread(r->pagemap, &e, sizeof(e),
			  (off_t)(va / PAGE * sizeof(e))) == sizeof(e) &&
		    e >> 63 && !find_page(va)->va)
			page_came(va);
	}
}

static bool is_ours(uintptr_t start, uintptr_t end)
{
	uintptr_t store = (uintptr_t)r->store;

	return start < store + STORE_PAGES * PAGE && end > store;
}

static void look_at(uintptr_t start, uintptr_t end)
{
	if (is_ours(start, end))
		return;
	for (unsigned i = 0; i < r->nr_areas; i++)
		if (r->area[i].start <= start && r->area[i].end >= end)
			return;
	if (!enroll(start, end))
		return;
	if (r->nr_areas == MAX_AREAS)
		stop("too many mappings");
	r->area[r->nr_areas].start = start;
	r->area[r->nr_areas++].end = end;
	note_present(start, end);
}

/*
 * Memory behind a mapped file is a library's own, and the recorder's thread
 * uses some.
 */
static void scan_line(const char *line, const char *end, uintptr_t *file_end)
{
	bool is_behind;
	unsigned long from, to, inode;
	char perms[8], name[16] = "";
	char copy[256];
	size_t len = (size_t)(end - line);

	if (len >= sizeof(copy))
		return;
	memcpy(copy, line, len);
	copy[len] = 0;
	if (sscanf(copy, "%lx-%lx %7s %*x %*s %lu %15s", &from, &to, perms,
		   &inode, name) < 4)
		return;
	is_behind = from == *file_end;
	if (inode || is_behind)
		*file_end = to;
	if (!strcmp(perms, "rw-p") && !inode && !is_behind &&
	    to - from >= LEAST && (!*name || !strcmp(name, "[heap]")))
		look_at(from, to);
}

static void scan_maps(void)
{
	uintptr_t file_end = 0;
	size_t len = 0;
	ssize_t n;

	lseek(r->maps, 0, SEEK_SET);
	while (len < sizeof(r->text) &&
	       (n = read(r->maps, r->text + len, sizeof(r->text) - len)) > 0)
		len += (size_t)n;
	for (char *at = r->text, *end; at < r->text + len; at = end + 1) {
		end = memchr(at, '\n', (size_t)(r->text + len - at));
		if (!end)
			return;
		scan_line(at, end, &file_end);
	}
}

/* Addresses that were unmapped may be mapped anew, and are to be enrolled. */
static void forget_areas(uintptr_t start, uintptr_t end)
{
	for (unsigned i = 0; i < r->nr_areas;) {
		if (r->area[i].start < end && r->area[i].end > start)
			r->area[i] = r->area[--r->nr_areas];
		else
			i++;
	}
}

/* ---- The thread --------------------------------------------------------- */

static void take(const struct uffd_msg *m)
{
	uintptr_t start, end;

	switch (m->event) {
	case UFFD_EVENT_PAGEFAULT:
		serve(m->arg.pagefault.address & ~(PAGE - 1));
		break;
	case UFFD_EVENT_REMAP:
		remapped(m->arg.remap.from, m->arg.remap.to, m->arg.remap.len);
		break;
	case UFFD_EVENT_UNMAP:
	case UFFD_EVENT_REMOVE:
		start = m->arg.remove.start;
		end = m->arg.remove.end;
		if (is_ours(start, end))
			break;
		forget(start, end);
		if (m->event == UFFD_EVENT_UNMAP)
			forget_areas(start, end);
		break;
	}
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *record_main(void *arg)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	uint64_t due = 0;

	(void)arg;
	for (;;) {
		struct uffd_msg m;

		if (poll(&p, 1, 1) > 0 && read(r->fd, &m, sizeof(m)) > 0)
			take(&m);
		if (clock_ns() < due)
			continue;
		scan_maps();
		due = clock_ns() + SCAN_NS;
	}
	return NULL;
}

static void open_log(const char *path)
{
	size_t len = (MAX_ENTRIES + 1) * sizeof(uint64_t);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)len))
		stop(path);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		stop(path);
	close(fd);
	r->nr_log = p;
	r->log = (uint64_t *)p + 1;
}

static void open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_REMOVE |
			    UFFD_FEATURE_EVENT_UNMAP | FEATURE_MOVE,
	};

	r->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (r->fd < 0 || ioctl(r->fd, UFFDIO_API, &api))
		stop("userfaultfd with UFFDIO_MOVE");
}

static void open_store(void)
{
	r->store = mmap(NULL, STORE_PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->store == MAP_FAILED ||
	    !enroll((uintptr_t)r->store,
		    (uintptr_t)r->store + STORE_PAGES * PAGE))
		stop("the store");
	r->spare = shared(STORE_PAGES * sizeof(*r->spare));
	for (uint32_t i = STORE_PAGES; i > 0; i--)
		r->spare[r->nr_spare++] = i;
	r->known = shared(MAX_PAGES * sizeof(*r->known));
	r->queue = shared(r->window * sizeof(*r->queue));
}

/* All memory of the thread is shared, so that it is never recorded. */
static void start_thread(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, shared(STACK), STACK);
	if (pthread_create(&t, &attr, record_main, NULL))
		stop("pthread_create");
}

__attribute__((constructor)) static void record_open(void)
{
	const char *path = getenv("RECORD_OUT");
	const char *window = getenv("RECORD_WINDOW");

	if (!path)
		return;
	r = shared(sizeof(*r));
	r->window = window ? (uint32_t)atoi(window) : 64;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	open_log(path);
	open_uffd();
	open_store();
	r->maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	r->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsetenv("RECORD_OUT");
	start_thread();
}
