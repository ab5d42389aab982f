// SPDX-License-Identifier: MIT
/*
 * serve-ring.c - threads that take commands from the kernel module, have the
 * provider do them, and answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serve.h"
#include "tool.h"

#define BATCH	16  /* answers that the kernel waits for at most */
#define NAP_MS	200 /* how late a thread notices the end */
#define NR_ZERO 64  /* pages cleared at once */

static const char name[] = "serve";

/* ---- The queues ---- */

static bool take(struct served *s, struct uhmmk_command *ret)
{
	const struct uhmmk_command *commands =
		(const void *)(s->area + s->queue->commands);
	struct uhmmk_queue *q = s->queue;
	uint32_t head;
	bool any;

	pthread_mutex_lock(&s->lock);
	head = q->command_head;
	any = head != __atomic_load_n(&q->command_tail, __ATOMIC_ACQUIRE);
	if (any) {
		*ret = commands[head & (q->nr_commands - 1)];
		__atomic_store_n(&q->command_head, head + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&s->lock);
	return any;
}

static void answer(struct served *s, const struct uhmmk_command *c, int result)
{
	struct uhmmk_answer *answers = (void *)(s->area + s->queue->answers);
	struct uhmmk_queue *q = s->queue;
	uint32_t tail;

	pthread_mutex_lock(&s->lock);
	tail = q->answer_tail;
	answers[tail & (q->nr_answers - 1)] = (struct uhmmk_answer){
		.op = c->op,
		.tag = c->tag,
		.npages = c->npages,
		.generation = c->generation,
		.result = result,
	};
	__atomic_store_n(&q->answer_tail, tail + 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->lock);
}

/* ---- The provider ---- */

/* The next owner of the pages must not find old data. */
static void clear(struct served *s, uint64_t dpfn, size_t npages)
{
	const struct uhmm_device_ops *ops = s->desc.ops;

	if (ops->clear && !ops->clear(s->priv, dpfn, npages))
		return;
	while (npages) {
		size_t n = npages < NR_ZERO ? npages : NR_ZERO;
		struct uhmm_segment seg = { dpfn, s->zeroes, n };

		ops->copy_to_devmem(s->priv, &seg, 1);
		dpfn += n;
		npages -= n;
	}
}

static int free_pages(struct served *s, const struct uhmmk_command *c)
{
	if (s->desc.flags & UHMM_DEVICE_SHARED)
		clear(s, c->dpfn, c->npages);
	if (s->desc.ops->page_free)
		s->desc.ops->page_free(s->priv, c->dpfn, c->npages);
	return 0;
}

static int obey(struct served *s, const struct uhmmk_command *c)
{
	const struct uhmm_segment seg = {
		.dpfn = c->dpfn,
		.ram = s->area + c->data,
		.npages = c->npages,
	};
	int err = -EINVAL;

	if (c->op == UHMMK_STORE)
		err = s->desc.ops->copy_to_devmem(s->priv, &seg, 1);
	else if (c->op == UHMMK_FETCH)
		err = s->desc.ops->copy_to_ram(s->priv, &seg, 1);
	else if (c->op == UHMMK_FREE)
		err = free_pages(s, c);
	return err > 0 || err < -4095 ? -EIO : err;
}

/* The kernel gets answers in time, and that to a FETCH at once. */
static void obey_some(struct served *s)
{
	struct uhmmk_command c;

	for (int i = 0; i < BATCH && take(s, &c); i++) {
		answer(s, &c, obey(s, &c));
		if (c.op == UHMMK_FETCH)
			return;
	}
}

static void *serve(void *arg)
{
	struct uhmmk_serve call = { .size = sizeof(call),
				    .timeout_ms = NAP_MS };
	struct served *s = arg;

	while (!s->is_over) {
		obey_some(s);
		if (!ioctl(s->fd, UHMMK_SERVE, &call) || errno == EINTR)
			continue;
		if (!atomic_exchange(&s->is_dead, true))
			kill(getpid(), SIGTERM);
		break;
	}
	return NULL;
}

/* ---- The device ---- */

static const char *add_hint(int err)
{
	switch (err) {
	case EPERM:
		return "adding a device needs CAP_SYS_ADMIN; run it as root";
	case EOPNOTSUPP:
		return "this kernel has no private device pages "
		       "(CONFIG_DEVICE_PRIVATE); see \"uhmm doctor\"";
	case ENOMEM:
		return "the kernel has no room for a device of this size; "
		       "make it smaller";
	case EINVAL:
		return "the kernel module is of another version; load that of "
		       "this version";
	default:
		return strerror(err);
	}
}

static bool open_module(struct served *s)
{
	s->fd = open("/dev/uhmm", O_RDWR | O_CLOEXEC);
	if (s->fd >= 0)
		return true;
	if (errno == EACCES || errno == EPERM)
		complain(name,
			 "this user may not open /dev/uhmm; run it as root");
	else
		complain(name, "the kernel module is not loaded: there is no "
			       "/dev/uhmm; see \"uhmm doctor\"");
	return false;
}

bool serve_add(struct served *s)
{
	if (!open_module(s))
		return false;
	if (ioctl(s->fd, UHMMK_ADD, &s->add)) {
		complain(name, "the kernel adds no device: %s",
			 add_hint(errno));
		return false;
	}
	s->area = mmap(NULL, s->add.area, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->fd, 0);
	s->zeroes = mmap(NULL, NR_ZERO * uhmm_page_size(), PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->area == MAP_FAILED || s->zeroes == MAP_FAILED) {
		complain(name, "there is no memory for the area; end other "
			       "programs, or give fewer --slots");
		return false;
	}
	s->queue = (void *)s->area;
	return true;
}

bool serve_start(struct served *s, unsigned int nr)
{
	pthread_mutex_init(&s->lock, NULL);
	while (s->nr_threads < nr &&
	       !pthread_create(&s->threads[s->nr_threads], NULL, serve, s))
		s->nr_threads++;
	if (!s->nr_threads)
		complain(name, "no thread can be started; raise ulimit -u");
	return s->nr_threads;
}

uint64_t serve_bring_home(struct served *s)
{
	struct uhmmk_evict evict = { .size = sizeof(evict),
				     .flags = UHMMK_RETIRE };
	struct uhmmk_stat stat = { .size = sizeof(stat) };

	ioctl(s->fd, UHMMK_EVICT, &evict);
	return ioctl(s->fd, UHMMK_STAT, &stat) ? 0 : stat.used;
}

void serve_end(struct served *s)
{
	s->is_over = true;
	while (s->nr_threads)
		pthread_join(s->threads[--s->nr_threads], NULL);
	close(s->fd);
}
