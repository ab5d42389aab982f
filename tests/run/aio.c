// SPDX-License-Identifier: MIT
/*
 * aio [PART...]: transfers that go on when their call has returned, each larger
 * than the limit, from memory that is away and into memory that is, or was
 * never touched, while what is not used leaves: aio_read(3) and its kin, and
 * the kernel's own by the names that libaio gives them, with O_DIRECT.
 */
#include <aio.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/uio.h>

#include "memory.h"

#define LEN  (6 * MIB)
#define NR   12
#define PART (LEN / NR)
#define SKIP 77

static int new_file(void)
{
	char path[] = "/var/tmp/uhmm-aio-XXXXXX";
	int fd = mkstemp(path), direct;

	CHECK(fd >= 0);
	direct = open(path, O_RDWR | O_DIRECT);
	CHECK(!unlink(path) && !close(fd));
	if (direct < 0 && errno == EINVAL) {
		fprintf(stderr, "skipped: there is no O_DIRECT in /var/tmp\n");
		_exit(SKIP);
	}
	CHECK(direct >= 0);
	return direct;
}

/* ---- POSIX --------------------------------------------------------------- */

static void wait_for(struct aiocb *cb, ssize_t want)
{
	const struct aiocb *list[] = { cb };

	while (aio_error(cb) == EINPROGRESS)
		CHECK(!aio_suspend(list, 1, NULL) || errno == EINTR);
	CHECK(!aio_error(cb) && aio_return(cb) == want);
}

static void posix(void)
{
	char *p = away(LEN, 1), *q = map(LEN);
	struct aiocb cb = { .aio_fildes = new_file() };

	for (int i = 0; i < 3; i++) {
		cb.aio_buf = p;
		cb.aio_nbytes = LEN;
		CHECK(!aio_write(&cb));
		push();
		wait_for(&cb, LEN);
		cb.aio_buf = q;
		CHECK(!aio_read(&cb));
		push();
		wait_for(&cb, LEN);
		verify(q, LEN, 1);
		CHECK(!munmap(q, LEN));
		q = map(LEN);
		push();
	}
	CHECK(!close(cb.aio_fildes) && !munmap(p, LEN) && !munmap(q, LEN));
}

static void lists(void)
{
	char *p = away(LEN, 1);
	struct aiocb cb[NR], *list[NR];
	int fd = new_file();

	for (int op = LIO_WRITE;; op = LIO_READ) {
		for (size_t i = 0; i < NR; i++) {
			cb[i] = (struct aiocb){ .aio_fildes = fd,
						.aio_lio_opcode = op,
						.aio_buf = p + i * PART,
						.aio_nbytes = PART,
						.aio_offset =
							(off_t)(i * PART) };
			list[i] = &cb[i];
		}
		CHECK(!lio_listio(LIO_NOWAIT, list, NR, NULL));
		push();
		for (size_t i = 0; i < NR; i++)
			wait_for(&cb[i], PART);
		verify(p, LEN, 1);
		if (op == LIO_READ)
			break;
		CHECK(!munmap(p, LEN));
		p = map(LEN);
	}
	CHECK(!close(fd) && !munmap(p, LEN));
}

/* ---- The kernel's -------------------------------------------------------- */

typedef int submit_fn(unsigned long queue, long nr, struct iocb **list);
typedef int get_fn(unsigned long queue, long least, long nr,
		   struct io_event *events, struct timespec *timeout);

static submit_fn *submit;
static get_fn *get;

static void transfer(unsigned long queue, int fd, int op, char *p,
		     struct iocb cb[NR])
{
	struct iocb *list[NR];
	struct iovec vec[NR][2];
	struct io_event events[NR];
	int done = 0;

	memset(cb, 0, NR * sizeof(*cb));
	for (size_t i = 0; i < NR; i++) {
		vec[i][0] = (struct iovec){ p + i * PART, PAGE };
		vec[i][1] = (struct iovec){ p + i * PART + PAGE, PART - PAGE };
		cb[i].aio_fildes = (unsigned)fd;
		cb[i].aio_lio_opcode = (unsigned short)op;
		cb[i].aio_offset = (long long)(i * PART);
		cb[i].aio_buf = (uintptr_t)(p + i * PART);
		cb[i].aio_nbytes = PART;
		if (op == IOCB_CMD_PREADV || op == IOCB_CMD_PWRITEV) {
			cb[i].aio_buf = (uintptr_t)vec[i];
			cb[i].aio_nbytes = 2;
		}
		list[i] = &cb[i];
	}
	for (int n = 0; n < NR;) {
		int ret = submit(queue, NR - n, list + n);

		CHECK(ret > 0);
		n += ret;
	}
	push();
	while (done < NR) {
		int ret = get(queue, 1, NR, events, NULL);

		CHECK(ret > 0);
		for (int i = 0; i < ret; i++)
			CHECK(events[i].res == (long long)PART);
		done += ret;
	}
}

static void kernel(void)
{
	char *p = away(LEN, 1), *q = map(LEN);
	struct iocb *cb = map(MIB);
	unsigned long queue = 0;
	int fd = new_file();

	submit = (submit_fn *)dlsym(RTLD_DEFAULT, "io_submit");
	get = (get_fn *)dlsym(RTLD_DEFAULT, "io_getevents");
	if (!submit || !get)
		return;
	CHECK(!syscall(SYS_io_setup, 64, &queue));
	transfer(queue, fd, IOCB_CMD_PWRITE, p, cb);
	transfer(queue, fd, IOCB_CMD_PREAD, q, cb);
	verify(q, LEN, 1);
	fill(q, LEN, 2);
	push();
	transfer(queue, fd, IOCB_CMD_PWRITEV, q, cb);
	transfer(queue, fd, IOCB_CMD_PREADV, p, cb);
	verify(p, LEN, 2);
	CHECK(!syscall(SYS_io_destroy, queue) && !close(fd));
	CHECK(!munmap(p, LEN) && !munmap(q, LEN) && !munmap(cb, MIB));
}

/*
 * A function begins each transfer, and a bare system call ends it.  The loop
 * makes more transfers than can be held at once.
 */
static void by_number(void)
{
	char *p = away(LEN, 3);
	struct iocb *cb = map(PAGE);
	unsigned long queue = 0;
	int fd = new_file();

	if (!submit)
		return;
	CHECK(pwrite(fd, p, PAGE, 0) == (ssize_t)PAGE);
	CHECK(!syscall(SYS_io_setup, 64, &queue));
	cb->aio_fildes = (unsigned)fd;
	cb->aio_lio_opcode = IOCB_CMD_PREAD;
	cb->aio_buf = (uintptr_t)p;
	cb->aio_nbytes = PAGE;
	for (int i = 0; i < 9000; i++) {
		struct io_event event;

		CHECK(submit(queue, 1, &cb) == 1);
		CHECK(syscall(SYS_io_getevents, queue, 1, 1, &event, NULL) ==
		      1);
		CHECK(event.res == (long long)PAGE);
	}
	verify(p, LEN, 3);
	CHECK(!syscall(SYS_io_destroy, queue) && !close(fd));
	CHECK(!munmap(p, LEN) && !munmap(cb, PAGE));
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{ "posix", posix },
		{ "lists", lists },
		{ "kernel", kernel },
		{ "by-number", by_number },
	};

	return RUN_PARTS(parts, argc, argv);
}
