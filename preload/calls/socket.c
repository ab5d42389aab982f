// SPDX-License-Identifier: MIT
/*
 * Sockets.
 *
 * A stream socket consumes no data before it has copied them.  All other
 * sockets do, and so do addresses, control messages and the header of a
 * message: their memory is pinned.
 */
#include "calls/calls.h"

#define NR_REST 32

#define ADDR(p) OUT((p), sizeof(struct sockaddr_storage))

/* ---- One buffer -------------------------------------------------------- */

FIND(recv);
FIND(send);
FIND(recvfrom);
FIND(sendto);

static ssize_t do_recv(const struct transfer *t)
{
	return REAL(recv)(t->fd, t->p, t->len, t->flags);
}

static ssize_t do_send(const struct transfer *t)
{
	return REAL(send)(t->fd, t->p, t->len, t->flags);
}

static ssize_t do_recvfrom(const struct transfer *t)
{
	return REAL(recvfrom)(t->fd, t->p, t->len, t->flags,
			      (struct sockaddr *)t->addr, t->ret_len);
}

static ssize_t do_sendto(const struct transfer *t)
{
	return REAL(sendto)(t->fd, t->p, t->len, t->flags, t->addr,
			    t->addr_len);
}

/* A peek that stopped at an away page would stop there each time. */
static bool gives_all(int fd, int flags)
{
	return !(flags & (MSG_OOB | MSG_ERRQUEUE | MSG_PEEK)) &&
	       calls_kind_of_socket(fd) == STREAM_KIND;
}

APART ssize_t recv_on(struct transfer *t)
{
	bool whole = t->flags & MSG_WAITALL;

	if (!calls_may_be_away(t->p, t->len) || gives_all(t->fd, t->flags))
		return calls_go_on(t, whole);
	HOLD(OUT(t->p, t->len));
	return t->real(t);
}

/* MSG_WAITALL: of a stream, where the rest has no address. */
static ssize_t finish_recv(struct transfer t, ssize_t done)
{
	bool whole = t.flags & MSG_WAITALL && gives_all(t.fd, t.flags);

	t.addr = NULL;
	t.ret_len = NULL;
	return calls_finish(t, done, whole);
}

EXPORT ssize_t recvfrom(int fd, void *p, size_t len, int flags,
			struct sockaddr *addr, socklen_t *addr_len)
{
	struct transfer t = { .fd = fd,
			      .flags = flags,
			      .p = p,
			      .len = len,
			      .at = -1,
			      .addr = addr,
			      .ret_len = addr_len,
			      .real = do_recvfrom };

	PLAIN_UNTIL(ssize_t, REAL(recvfrom)(fd, p, len, flags, addr, addr_len),
		    finish_recv(t, ret_));
	HOLD(ADDR(addr), RES(addr_len));
	return recv_on(&t);
}

EXPORT ssize_t recv(int fd, void *p, size_t len, int flags)
{
	struct transfer t = { .fd = fd,
			      .flags = flags,
			      .p = p,
			      .len = len,
			      .at = -1,
			      .real = do_recv };

	PLAIN_UNTIL(ssize_t, REAL(recv)(fd, p, len, flags),
		    finish_recv(t, ret_));
	return recv_on(&t);
}

static ssize_t send_on(struct transfer t, const struct buf *addr)
{
	ssize_t ret = t.real(&t);

	for (unsigned n = 0; ret < 0 && errno == EFAULT; n++) {
		const struct buf bufs[] = { IN(t.p, t.len), *addr };

		if (!calls_again(n, bufs, 2))
			return ret;
		ret = t.real(&t);
	}
	return ret > 0 ? calls_finish(t, ret, true) : ret;
}

EXPORT ssize_t sendto(int fd, const void *p, size_t len, int flags,
		      const struct sockaddr *addr, socklen_t addr_len)
{
	struct transfer t = { .writes = true,
			      .fd = fd,
			      .flags = flags,
			      .p = (char *)p,
			      .len = len,
			      .at = -1,
			      .addr = addr,
			      .addr_len = addr_len,
			      .real = do_sendto };

	PLAIN_UNTIL(ssize_t, REAL(sendto)(fd, p, len, flags, addr, addr_len),
		    calls_finish(t, ret_, true));
	return send_on(t, &(struct buf)IN(addr, addr_len));
}

EXPORT ssize_t send(int fd, const void *p, size_t len, int flags)
{
	struct transfer t = { .writes = true,
			      .fd = fd,
			      .flags = flags,
			      .p = (char *)p,
			      .len = len,
			      .at = -1,
			      .real = do_send };

	PLAIN_UNTIL(ssize_t, REAL(send)(fd, p, len, flags),
		    calls_finish(t, ret_, true));
	return send_on(t, &(struct buf)NOTHING);
}

/* ---- Messages ---------------------------------------------------------- */

/*
 * Copy the header.  False: it cannot be read, so the kernel reports an error.
 */
static bool copy_header(const struct msghdr *m, struct msghdr *ret)
{
	if (!calls_can_read(m, sizeof(*m)))
		return false;
	*ret = *m;
	return !ret->msg_iovlen ||
	       calls_vec_home(ret->msg_iov, ret->msg_iovlen);
}

/* Pin all memory that a message is received into. */
static bool hold_message(struct hold *h, struct msghdr *m)
{
	struct msghdr copy;
	bool all;

	if (!copy_header(m, &copy))
		return false;
	all = calls_hold(h, BUFS(RES(m),
				 IN(copy.msg_iov,
				    copy.msg_iovlen * sizeof(*copy.msg_iov)),
				 OUT(copy.msg_name, copy.msg_namelen),
				 OUT(copy.msg_control, copy.msg_controllen)));
	return calls_vec_hold(h, copy.msg_iov, copy.msg_iovlen) && all;
}

FIND(recvmsg);

/* @part: of @m; WINDOW bytes at most are asked for. */
APART ssize_t receive_part(int fd, struct msghdr *m, struct msghdr part,
			   int flags)
{
	struct iovec vec[NR_REST];
	ssize_t ret;
	size_t nr;
	HOLD_NOTHING;

	nr = calls_vec_rest(part.msg_iov, part.msg_iovlen, 0, vec, NR_REST);
	part.msg_iov = vec;
	part.msg_iovlen = calls_vec_cut(vec, nr, WINDOW);
	hold_message(&hold, &part);
	ret = REAL(recvmsg)(fd, &part, flags);
	if (ret < 0)
		return ret;
	m->msg_namelen = part.msg_namelen;
	m->msg_controllen = part.msg_controllen;
	m->msg_flags = part.msg_flags;
	return ret;
}

/* All of a large message may not fit in RAM; a stream may give less. */
static bool may_give_part(int fd, const struct msghdr *m, int flags,
			  struct msghdr *ret)
{
	return !(flags & MSG_WAITALL) && copy_header(m, ret) &&
	       calls_vec_bytes(ret->msg_iov, ret->msg_iovlen) > WINDOW &&
	       calls_vec_may_be_away(ret->msg_iov, ret->msg_iovlen) &&
	       gives_all(fd, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	struct msghdr part;
	HOLD_NOTHING;

	PLAIN(ssize_t, REAL(recvmsg)(fd, m, flags));
	if (may_give_part(fd, m, flags, &part))
		return receive_part(fd, m, part, flags);
	hold_message(&hold, m);
	return REAL(recvmsg)(fd, m, flags);
}

/* Receive as many messages as can be pinned, one at least. */
FIND(recvmmsg);
EXPORT int recvmmsg(int fd, struct mmsghdr *m, unsigned nr, int flags,
		    struct timespec *timeout)
{
	HOLD_NOTHING;
	unsigned n = 0;

	PLAIN(int, REAL(recvmmsg)(fd, m, nr, flags, timeout));
	calls_hold(&hold, BUFS(IN(m, nr * sizeof(*m)), RES(timeout)));
	while (n < nr && hold_message(&hold, &m[n].msg_hdr))
		n++;
	return REAL(recvmmsg)(fd, m, n || !nr ? n : 1, flags, timeout);
}

static bool again_message(unsigned n, const struct msghdr *m)
{
	struct buf bufs[CALLS_MAX_BUFS];
	size_t nr = 0;
	struct msghdr c;

	if (!copy_header(m, &c))
		return false;
	bufs[nr++] = (struct buf)IN(c.msg_name, c.msg_namelen);
	bufs[nr++] = (struct buf)IN(c.msg_control, c.msg_controllen);
	for (size_t i = 0; i < c.msg_iovlen && nr < CALLS_MAX_BUFS; i++)
		if (c.msg_iov[i].iov_len)
			bufs[nr++] = (struct buf)IN(c.msg_iov[i].iov_base,
						    c.msg_iov[i].iov_len);
	return calls_again(n, bufs, nr);
}

FIND(sendmsg);

/* Send the bytes that a stream did not take, without the control message. */
static ssize_t send_rest(int fd, const struct msghdr *m, int flags, size_t done)
{
	struct iovec rest[NR_REST];
	struct msghdr part = { .msg_iov = rest };
	struct msghdr c;
	ssize_t ret;

	while (copy_header(m, &c)) {
		part.msg_iovlen = calls_vec_rest(c.msg_iov, c.msg_iovlen, done,
						 rest, NR_REST);
		if (!part.msg_iovlen ||
		    !calls_vec_stopped(rest, part.msg_iovlen))
			break;
		ret = REAL(sendmsg)(fd, &part, flags);
		for (unsigned n = 0;
		     ret < 0 && errno == EFAULT && again_message(n, &part); n++)
			ret = REAL(sendmsg)(fd, &part, flags);
		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t ret;

	PLAIN_UNTIL(ssize_t, REAL(sendmsg)(fd, m, flags),
		    send_rest(fd, m, flags, (size_t)ret_));
	ret = REAL(sendmsg)(fd, m, flags);
	for (unsigned n = 0; ret < 0 && errno == EFAULT && again_message(n, m);
	     n++)
		ret = REAL(sendmsg)(fd, m, flags);
	return ret > 0 ? send_rest(fd, m, flags, (size_t)ret) : ret;
}

/*
 * sendmmsg() stops at the first message that fails: programs expect fewer than
 * @nr.
 */
FIND(sendmmsg);
EXPORT int sendmmsg(int fd, struct mmsghdr *m, unsigned nr, int flags)
{
	int ret;

	PLAIN(int, REAL(sendmmsg)(fd, m, nr, flags));
	HOLD(OUT(m, nr * sizeof(*m)));
	ret = REAL(sendmmsg)(fd, m, nr, flags);
	for (unsigned n = 0;
	     ret < 0 && errno == EFAULT && nr && again_message(n, &m->msg_hdr);
	     n++)
		ret = REAL(sendmmsg)(fd, m, nr, flags);
	return ret;
}

/* ---- Options ----------------------------------------------------------- */

FIND(setsockopt);
EXPORT int setsockopt(int fd, int level, int name, const void *p, socklen_t len)
{
	int ret;

	if (remote_refuses(level, name)) {
		errno = ENOPROTOOPT;
		return -1;
	}
	REPEAT(ret, IS_MINUS_1, REAL(setsockopt)(fd, level, name, p, len),
	       IN(p, len));
	return ret;
}
