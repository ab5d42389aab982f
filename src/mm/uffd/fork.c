/* SPDX-License-Identifier: MIT */
/*
 * fork.c - the fork event.
 *
 * DOC: The fork event
 *
 * With UFFD_FEATURE_EVENT_FORK, which needs CAP_SYS_PTRACE, the kernel holds
 * the forking thread until we have read an event, and the event brings a
 * userfaultfd for the child.  All that is registered here is registered there,
 * and a touch of a page that is not there waits for the process that has that
 * descriptor.  From the copy of the page table until the event is read no ioctl
 * on @u changes anything, so that what the client says of a page then was so in
 * the copy.
 *
 * A fork(2) is announced by fork_begin(), which makes a pair of sockets.  The
 * descriptor goes to the child by them, and the child is its owner from then
 * on: it does not depend on its parent any more.  A child that finds its end
 * closed has lost its parent before that.
 *
 * The bare system call clone(2) is not announced, nor is _Fork(3).  In such a
 * child the pages that are away are poisoned: a touch is SIGBUS, not zeroes.
 * If another thread does that while a fork is announced, the announced child
 * gets two descriptors.  It tries which one works on its own memory, and
 * poisons the other child's pages.
 *
 * Without the event, or without UFFDIO_POISON, what is tracked is MADV_DONTFORK
 * but for the time of a fork that is announced: a touch in such a child is
 * SIGSEGV, whatever was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"
#include "sys/fds.h"
#include "sys/local.h"

enum {
	SHOW_TRIES = 10000,
	SHOW_WALKS = 16,
	APART = 1 << 30, /* the holder has the descriptor, not the process */
};

/* ---- What fork_guard() cannot guard ---- */

static bool hides(const struct uffd *b)
{
	return !b->has.fork || !b->has.poison;
}

/*
 * Across holes; what is unmapped, or another's by now, may be refused.  Of a
 * mapping that mremap(2) made longer nobody knows the end: all of it is hidden,
 * so that it stays one mapping.
 */
static uintptr_t end_of_tracked(const struct uffd *b, uintptr_t end)
{
	struct uffd_vma vma;

	if (uffd_find_vma(b, end - MM_PAGE_SIZE, &vma) || vma.start >= end ||
	    vma.end <= end || !vma.anon)
		return end;
	return uffd_ask_registered(b, end - MM_PAGE_SIZE) == 1 ? vma.end : end;
}

/*
 * The program may have put other memory there already, which was hidden just
 * now: then the event of that is under way.
 */
static void hide_tracked(struct uffd *b, uintptr_t start, uintptr_t end)
{
	sys_madvise(start, end_of_tracked(b, end) - start, MADV_DONTFORK);
	if (uffd_is_changing(b))
		atomic_store(&b->hid_early, true);
}

/* Memory behind it that is tracked stays hidden. */
void uffd_show(struct uffd *b, uintptr_t start, uintptr_t end)
{
	uintptr_t last, s, e;

	if (!hides(b))
		return;
	last = end_of_tracked(b, end);
	if (last > end && uffd_ranges_next(b, end, last, &s, &e))
		last = s;
	sys_madvise(start, last - start, MADV_DOFORK);
}

void uffd_show_replaced(struct uffd *b, uintptr_t start, uintptr_t end)
{
	if (atomic_load(&b->hid_early))
		sys_madvise(start, end - start, MADV_DOFORK);
}

void uffd_hide_moved(struct uffd *b, uintptr_t start, uintptr_t end)
{
	if (atomic_load(&b->hid_early))
		uffd_hide_new(b, start, end);
}

/*
 * Hide those parts of [start, end) that are still tracked: the client may have
 * asked before an event was applied.
 */
void uffd_fork_hide(struct mm *mm, uintptr_t start, uintptr_t end, bool hide)
{
	struct uffd *b = to_uffd(mm);
	uintptr_t s, e;

	if (!hides(b))
		return;
	sys_mutex_lock(&b->event_lock);
	if (!hide)
		uffd_show(b, start, end);
	for (; hide && uffd_ranges_next(b, start, end, &s, &e); start = e)
		hide_tracked(b, s, e);
	sys_mutex_unlock(&b->event_lock);
}

/* While a fork is under way this is left to hide_all() at the fork's end. */
void uffd_hide_new(struct uffd *b, uintptr_t start, uintptr_t end)
{
	if (hides(b) && !atomic_load(&b->forking))
		hide_tracked(b, start, end);
}

/*
 * Show [start, end) to children if it is registered, tracked or not.  The part
 * that mremap(2) added to a mapping is registered and hidden as the mapping
 * was, and stays where the tracked part is unmapped or moved away.  Caller
 * holds event_lock.
 */
static void show(struct uffd *b, uintptr_t start, uintptr_t end)
{
	const struct mm_client *c = b->mm.client;
	int ret = -EAGAIN;

	if (c->is_childless && c->is_childless(c->priv, start))
		return;
	for (int i = 0; ret == -EAGAIN && i < SHOW_TRIES; i++) {
		if (i) {
			b->show_again = true;
			uffd_drain(b);
			sys_yield();
		}
		ret = uffd_ask_registered(b, start);
	}
	if (ret == 1)
		sys_madvise(start, end - start, MADV_DOFORK);
}

/* Each mapping as it is: if one is changed meanwhile, an event tells of it. */
static void show_all(struct uffd *b)
{
	for (int i = 0; i < SHOW_WALKS; i++) {
		uffd_drain(b);
		atomic_store(&b->hid_early, uffd_is_changing(b));
		b->show_again = false;
		uffd_each_part(b, show);
		if (!b->show_again && !uffd_is_changing(b))
			return;
		sys_yield();
	}
}

/* ---- Around a fork ---- */

/* The event of the fork needs one number more, which is left free. */
static int open_pair(struct uffd *b)
{
	int spare = sys_eventfd(), ret;

	if (spare < 0)
		return spare;
	ret = sys_socket_pair(b->fork);
	for (int i = 0; i < 2 && !ret; i++)
		b->fork[i] = sys_fd_keep(b->fork[i], SYS_FD_BRIEF);
	sys_close(spare);
	return ret;
}

int uffd_fork_begin(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);
	int ret = 0;

	sys_mutex_lock(&b->event_lock);
	atomic_store(&b->forking, true);
	if (hides(b))
		show_all(b);
	if (b->has.fork)
		ret = open_pair(b);
	sys_mutex_unlock(&b->event_lock);
	return ret;
}

static void close_pair(struct uffd *b)
{
	for (int i = 0; i < 2; i++) {
		sys_close(b->fork[i]);
		b->fork[i] = -1;
	}
}

void uffd_fork_end(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);

	sys_mutex_lock(&b->event_lock);
	close_pair(b);
	atomic_store(&b->forking, false);
	sys_mutex_unlock(&b->event_lock);
}

/*
 * When the process may open no more descriptors, the holder reads the event.
 * Then all pages have come home, unless a fork that was not announced came in
 * between.
 */
static ssize_t read_apart(int fd, struct uffd_msg *msg)
{
	ssize_t ret = sys_read_apart(fd, msg, sizeof(*msg));

	if (ret == sizeof(*msg) && msg->event == UFFD_EVENT_FORK)
		msg->arg.fork.ufd |= APART;
	return ret;
}

ssize_t uffd_read_apart(struct uffd *b, struct uffd_msg *msg)
{
	return read_apart(b->u, msg);
}

static bool read_child(int child, struct uffd_msg *msg)
{
	ssize_t ret = child & APART ? read_apart(child & ~APART, msg) :
				      sys_read(child, msg, sizeof(*msg));

	return ret == sizeof(*msg);
}

static void close_child(int child)
{
	if (child & APART)
		sys_close_apart(child & ~APART);
	else
		sys_close(child);
}

/* Bytes, or -errno. */
static int64_t poison(int child, uintptr_t va, size_t npages)
{
	struct uapi_poison arg = { .start = va, .len = npages * MM_PAGE_SIZE };
	int ret;

	if (child & APART)
		ret = sys_ioctl_apart(child & ~APART, UAPI_UFFDIO_POISON, &arg,
				      sizeof(arg));
	else
		ret = sys_ioctl("UFFDIO_POISON", child, UAPI_UFFDIO_POISON,
				&arg);
	return arg.updated > 0 ? arg.updated : ret;
}

static void forked(struct uffd *b, int child, bool is_announced);

/*
 * The child runs already, and has changed its mappings or made a child, which
 * is not announced either.  What it moved is poisoned whole.
 */
static void catch_up(struct uffd *b, int child)
{
	struct uffd_msg msg;

	while (read_child(child, &msg)) {
		if (msg.event == UFFD_EVENT_FORK)
			forked(b, (int)msg.arg.fork.ufd, false);
		if (msg.event == UFFD_EVENT_REMAP)
			uffd_fork_guard(&b->mm, child, msg.arg.remap.to,
					msg.arg.remap.len >> MM_PAGE_SHIFT);
	}
	sys_yield();
}

void uffd_fork_guard(struct mm *mm, int child, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);
	struct sys_wait w = { .all = b->mm.client->waits,
			      .what = "a child to stand still at",
			      .at = va };
	size_t done = 0, step = npages;

	if (hides(b))
		return;
	while (done < npages) {
		int64_t n;

		if (step > npages - done)
			step = npages - done;
		n = poison(child, va + done * MM_PAGE_SIZE, step);
		if (n > 0) {
			done += (size_t)n >> MM_PAGE_SHIFT;
		} else if (step > 1 && (n == -ENOENT || n == -EINVAL)) {
			step /= 2; /* across two mappings */
		} else if (n == -EAGAIN) {
			sys_wait_note(&w);
			catch_up(b, child);
		} else {
			done++; /* it is there, or unmapped */
			step = npages;
		}
	}
	sys_wait_end(&w);
}

/*
 * Holds event_lock.  The child is told when we have let go of it: if it has no
 * use for it all is unregistered there then.
 */
static void forked(struct uffd *b, int child, bool is_announced)
{
	const struct mm_client *c = b->mm.client;
	int sock = is_announced && !(child & APART) ? b->fork[0] : -1;

	if (sock >= 0)
		sys_socket_pass(sock, child);
	else if (c->forked)
		c->forked(c->priv, child);
	close_child(child);
	if (sock >= 0)
		sys_socket_write(sock, "", 1);
}

void uffd_forked(struct uffd *b, int child)
{
	forked(b, child, true);
}

/*
 * Is a page that it puts at a new address one of ours?  A process that has
 * changed its user may not read pagemap, which would tell it as well.
 */
static bool is_our_child(int fd)
{
	struct uffdio_copy copy = { .len = MM_PAGE_SIZE };
	unsigned char vec = 0;
	int err = 0;
	uintptr_t p;

	if (sys_own_map(2 * MM_PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, &p))
		return false;
	copy.src = p;
	copy.dst = p + MM_PAGE_SIZE;
	*(volatile char *)p = 1;
	if (!uffd_register(fd, copy.dst, MM_PAGE_SIZE,
			   UFFDIO_REGISTER_MODE_MISSING)) {
		sys_ioctl("UFFDIO_COPY", fd, UFFDIO_COPY, &copy);
		sys_mincore(copy.dst, MM_PAGE_SIZE, &vec);
		err = uffd_unregister(fd, copy.dst, MM_PAGE_SIZE);
	}
	if (!err) /* else munmap(2) waits for a reader of its event */
		sys_own_unmap(p, 2 * MM_PAGE_SIZE);
	return vec & 1;
}

static int take_child(int sock)
{
	int fd = sys_socket_take(sock);
	char released;

	if (fd < 0 || sys_socket_read(sock, &released, 1) == 1)
		return fd;
	sys_close(fd);
	return -EPIPE;
}

/* In the child.  -ENODATA: there is none; -EOWNERDEAD: the parent died. */
int uffd_fork_take(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);
	const struct mm_client *c = b->mm.client;
	int fd = -ENODATA;

	if (b->fork[1] < 0)
		return -ENODATA;
	sys_close(b->fork[0]);
	b->fork[0] = -1;
	while ((fd = take_child(b->fork[1])) >= 0 && !is_our_child(fd)) {
		if (c->forked)
			c->forked(c->priv, fd);
		sys_close(fd);
	}
	close_pair(b);
	return fd < 0 ? -EOWNERDEAD : fd;
}
