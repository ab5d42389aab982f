// SPDX-License-Identifier: MIT
/*
 * A buffer registered with io_uring is pinned for DMA: its pages stay, for the
 * reason "pinned", and what the kernel writes through the pin is seen.  Where
 * pins cannot be seen (no feature "move") uhmm_pin() keeps it.
 */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../context.h"

#define NPAGES 32
#define FIRST  8
#define LEN    (4 * PAGE)

static uint8_t why[NPAGES];

struct ring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

static void ring_open(struct ring *r)
{
	size_t len;

	r->fd = (int)syscall(SYS_io_uring_setup, 4, &r->p);
	if (r->fd < 0)
		test_skip("no io_uring");
	len = r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);
	r->sq = mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	len = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	r->cq = mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, r->p.sq_entries * sizeof(struct io_uring_sqe),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		       IORING_OFF_SQES);
	CHECK(r->sq != MAP_FAILED && r->cq != MAP_FAILED &&
	      r->sqes != MAP_FAILED);
}

/* Read from @fd through the registered buffer.  Return: bytes. */
static int ring_read_fixed(struct ring *r, int fd, void *p, unsigned len)
{
	_Atomic uint32_t *tail = (void *)(r->sq + r->p.sq_off.tail);
	_Atomic uint32_t *head = (void *)(r->cq + r->p.cq_off.head);
	uint32_t *array = (void *)(r->sq + r->p.sq_off.array);
	struct io_uring_cqe *cqes = (void *)(r->cq + r->p.cq_off.cqes);
	uint32_t at = *tail & (r->p.sq_entries - 1);
	int res;

	r->sqes[at] = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED,
					     .fd = fd,
					     .addr = (uintptr_t)p,
					     .len = len };
	array[at] = at;
	atomic_fetch_add(tail, 1);
	CHECK_EQ(syscall(SYS_io_uring_enter, r->fd, 1, 1,
			 IORING_ENTER_GETEVENTS, NULL, 0),
		 1);
	res = cqes[*head & (r->p.cq_entries - 1)].res;
	atomic_fetch_add(head, 1);
	return res;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES), *buf = p + FIRST * PAGE;
	struct iovec vec = { buf, LEN };
	struct ring r = { .fd = -1 };
	int fd[2];

	ring_open(&r);
	test_fill(p, NPAGES, 1);
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &vec,
		    1))
		test_skip("may not register a buffer");
	if (!test_has(u, "move"))
		CHECK_EQ(uhmm_pin(u, buf, LEN), 0);
	CHECK_EQ(pipe(fd), 0);
	for (uint64_t round = 2; round < 6; round++) {
		static char data[4 * MAX_PAGE];

		CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why),
			 NPAGES - LEN / PAGE);
		for (size_t i = 0; i < NPAGES; i++)
			CHECK_EQ(why[i], i >= FIRST && i < FIRST + LEN / PAGE ?
						 UHMM_WHY_PINNED :
						 UHMM_WHY_OK);
		test_fill(data, LEN / PAGE, round);
		CHECK_EQ(write(fd[1], data, LEN), LEN);
		CHECK_EQ(ring_read_fixed(&r, fd[0], buf, LEN), LEN);
		test_verify(buf, LEN / PAGE, round);
		test_verify(p, FIRST, 1);
	}
	close(r.fd);
	test_close(u);
	return 0;
}
