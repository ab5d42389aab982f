// SPDX-License-Identifier: MIT
/* driver.c - see driver.h */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

int keep(struct driver *d, const struct uhmmk_command *c)
{
	char *data = d->area + c->data, *kept = d->store + c->dpfn * PAGE;
	size_t len = c->npages * PAGE;

	if (c->op == UHMMK_STORE)
		memcpy(kept, data, len);
	else if (c->op == UHMMK_FETCH)
		memcpy(data, kept, len);
	else
		madvise(kept, len, MADV_DONTNEED);
	return 0;
}

void answer(struct driver *d, const struct uhmmk_command *c, int result)
{
	struct uhmmk_queue *q = d->queue;
	struct uhmmk_answer *answers = (void *)(d->area + q->answers);
	uint32_t tail = q->answer_tail;

	answers[tail & (q->nr_answers - 1)] = (struct uhmmk_answer){
		.op = c->op,
		.tag = c->tag,
		.npages = c->npages,
		.generation = c->generation,
		.result = result,
	};
	__atomic_store_n(&q->answer_tail, tail + 1, __ATOMIC_RELEASE);
}

static void count_command(struct driver *d, const struct uhmmk_command *c)
{
	if (c->op == UHMMK_STORE)
		d->stores++;
	else if (c->op == UHMMK_FETCH)
		d->fetches++;
	else
		d->frees++;
	if (c->op != UHMMK_FREE && c->npages > d->longest)
		d->longest = c->npages;
}

static void handle_all(struct driver *d, handle_fn *handle)
{
	struct uhmmk_queue *q = d->queue;
	const struct uhmmk_command *commands = (void *)(d->area + q->commands);

	while (q->command_head !=
	       __atomic_load_n(&q->command_tail, __ATOMIC_ACQUIRE)) {
		struct uhmmk_command c =
			commands[q->command_head & (q->nr_commands - 1)];
		int result;

		q->command_head++;
		if (d->delay_us)
			usleep(d->delay_us);
		count_command(d, &c);
		result = handle(d, &c);
		if (result != NO_ANSWER)
			answer(d, &c, result);
	}
}

void serve_ring(struct driver *d, int fd, handle_fn *handle)
{
	struct uhmmk_serve serve = { .size = sizeof(serve), .timeout_ms = 100 };
	int error;

	do {
		handle_all(d, handle);
		error = call(fd, UHMMK_SERVE, &serve);
	} while (!error || error == EINTR || error == EPROTO);
	CHECK_EQ(error, ENODEV);
}

static void run_driver(struct driver *d, int ready, handle_fn *handle)
{
	int fd = open_file(), error = call(fd, UHMMK_ADD, &d->add);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!error) {
		d->area = mmap(NULL, d->add.area, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);
		d->store = mmap(NULL, d->add.npages * PAGE,
				PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				0);
		CHECK(d->area != MAP_FAILED && d->store != MAP_FAILED);
		d->queue = (void *)d->area;
	}
	CHECK_EQ(write(ready, &error, sizeof(error)), (long)sizeof(error));
	close(ready);
	if (!error)
		serve_ring(d, fd, handle);
	_exit(0);
}

static void on_sigbus(int sig);

static void attach(const struct driver *d)
{
	struct uhmmk_attach attach = { .size = sizeof(attach),
				       .id = d->add.id };
	struct sigaction act = { .sa_handler = on_sigbus };

	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
	device.fd = open_file();
	device.id = d->add.id;
	device.type = UHMMK_PRIVATE;
	device.has_ring = true;
	CHECK_EQ(call(device.fd, UHMMK_ATTACH, &attach), 0);
}

static void skip(const char *why)
{
	printf("%s\n", why);
	exit(TEST_SKIPPED);
}

struct driver *start_driver(int argc, char **argv, uint64_t npages,
			    uint32_t slots, uint32_t timeout_ms,
			    handle_fn *handle)
{
	struct driver *d = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ready[2], error, pid;

	if (argc > 1 && strcmp(argv[1], "private") != 0)
		skip("coherent devices have no ring");
	CHECK(d != MAP_FAILED && pipe(ready) == 0);
	d->add = (struct uhmmk_add){
		.size = sizeof(d->add),
		.flags = UHMMK_RING,
		.type = UHMMK_PRIVATE,
		.npages = npages,
		.slots = slots,
		.timeout_ms = timeout_ms,
	};
	pid = fork();
	if (pid == 0)
		run_driver(d, ready[1], handle);
	CHECK(pid > 0);
	d->pid = pid;
	close(ready[1]);
	CHECK_EQ(read(ready[0], &error, sizeof(error)), (long)sizeof(error));
	close(ready[0]);
	if (error == EOPNOTSUPP)
		skip("this kernel has no private device pages");
	CHECK_EQ(error, 0);
	CHECK_EQ(d->add.npages, npages);
	attach(d);
	return d;
}

void kill_driver(struct driver *d)
{
	CHECK_EQ(kill(d->pid, SIGKILL), 0);
	CHECK_EQ(waitpid(d->pid, NULL, 0), d->pid);
}

void wait_stored(uint64_t nr)
{
	while (statistics().stores < nr)
		usleep(1000);
}

static sigjmp_buf back;

static void on_sigbus(int sig)
{
	siglongjmp(back, sig);
}

bool can_touch(const char *at)
{
	if (sigsetjmp(back, 1))
		return false;
	(void)*(const volatile char *)at;
	return true;
}
