// SPDX-License-Identifier: MIT
/*
 * The bare primitives: see bare.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "bare.h"
#include "harness.h"

/* Newer than the kernel headers of Debian 12. */
#ifndef UFFDIO_MOVE
struct uffdio_move {
	uint64_t dst, src, len, mode;
	int64_t move;
};
#define UFFDIO_MOVE	  _IOWR(UFFDIO, 0x05, struct uffdio_move)
#define UFFD_FEATURE_MOVE (1u << 16)
#endif

/* ---- Calls ------------------------------------------------------------ */

static int open_uffd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -1;
}

int bare_check(void)
{
	int fd = open_uffd(UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MOVE);

	if (fd < 0)
		return -EOPNOTSUPP;
	close(fd);
	return 0;
}

int bare_uffd(bool inlined)
{
	uint64_t sigbus = inlined ? UFFD_FEATURE_SIGBUS : 0;
	int fd = open_uffd(sigbus | UFFD_FEATURE_MOVE |
			   UFFD_FEATURE_PAGEFAULT_FLAG_WP);

	if (fd < 0)
		bench_die("userfaultfd", errno);
	return fd;
}

void bare_register(int uffd, void *p, size_t len)
{
	struct uffdio_register r = {
		.range = { (uintptr_t)p, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};

	if (ioctl(uffd, UFFDIO_REGISTER, &r))
		bench_die("UFFDIO_REGISTER", errno);
}

void bare_copy(int uffd, void *dst, const void *src, size_t len)
{
	struct uffdio_copy c = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = len,
	};

	if (ioctl(uffd, UFFDIO_COPY, &c) && errno != EEXIST)
		bench_die("UFFDIO_COPY", errno);
}

void bare_protect(int uffd, void *p, size_t len, bool on)
{
	struct uffdio_writeprotect w = {
		.range = { (uintptr_t)p, len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	if (ioctl(uffd, UFFDIO_WRITEPROTECT, &w))
		bench_die("UFFDIO_WRITEPROTECT", errno);
}

/* The kernel moves a part of the range if it is disturbed, so repeat. */
void bare_move(int uffd, void *dst, void *src, size_t len)
{
	while (len) {
		struct uffdio_move m = {
			.dst = (uintptr_t)dst,
			.src = (uintptr_t)src,
			.len = len,
		};

		if (ioctl(uffd, UFFDIO_MOVE, &m) && m.move <= 0) {
			if (errno == EEXIST)
				return;
			if (errno != EAGAIN)
				bench_die("UFFDIO_MOVE", errno);
			continue;
		}
		dst = (char *)dst + m.move;
		src = (char *)src + m.move;
		len -= (size_t)m.move;
	}
}

/* ---- Ways to resolve -------------------------------------------------- */

void bare_resolve_copy(struct bare *b, char *addr)
{
	bare_copy(b->uffd, addr, b->dev + (addr - b->reg), b->granule);
}

void bare_resolve_zero(struct bare *b, char *addr)
{
	struct uffdio_zeropage z = { .range = { (uintptr_t)addr, b->granule } };

	if (ioctl(b->uffd, UFFDIO_ZEROPAGE, &z) && errno != EEXIST)
		bench_die("UFFDIO_ZEROPAGE", errno);
}

void bare_resolve_move(struct bare *b, char *addr)
{
	char *frame = b->pool + (addr - b->reg);

	bare_nt_copy(frame, b->dev + (addr - b->reg), b->granule);
	bare_move(b->uffd, addr, frame, b->granule);
}

static void resolve(struct bare *b, uintptr_t addr)
{
	b->resolve(b, (char *)(addr & ~(b->granule - 1)));
}

/* ---- In the faulting thread ------------------------------------------- */

static struct bare *signalled;
static struct sigaction before;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	resolve(signalled, (uintptr_t)info->si_addr);
}

void bare_signal_begin(struct bare *b)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	signalled = b;
	sa.sa_sigaction = on_sigbus;
	if (sigaction(SIGBUS, &sa, &before))
		bench_die("sigaction", errno);
}

void bare_signal_end(void)
{
	sigaction(SIGBUS, &before, NULL);
}

/* ---- By handlers ------------------------------------------------------ */

/* A touch of the end page tells one handler to return. */
static char *end_page(struct bare *b, unsigned i)
{
	return b->reg + b->len + i * PAGE;
}

struct handler {
	struct bare *b;
	unsigned cpu;
};

static void *handle(void *arg)
{
	struct handler h = *(struct handler *)arg;
	struct bare *b = h.b;
	struct pollfd pfd = { b->uffd, POLLIN, 0 };
	struct uffd_msg m;
	char *addr;

	free(arg);
	pin(h.cpu);
	do {
		if (b->polls)
			poll(&pfd, 1, -1);
		if (read(b->uffd, &m, sizeof(m)) != sizeof(m)) {
			addr = b->reg;
			continue;
		}
		addr = (char *)(uintptr_t)m.arg.pagefault.address;
		if (addr < end_page(b, 0))
			resolve(b, (uintptr_t)addr);
	} while (addr < end_page(b, 0));
	bare_copy(b->uffd, (char *)((uintptr_t)addr & ~(PAGE - 1)), b->dev,
		  PAGE);
	return NULL;
}

void bare_handlers_begin(struct bare *b, bool polls)
{
	int flags = fcntl(b->uffd, F_GETFL) & ~O_NONBLOCK;

	b->polls = polls;
	fcntl(b->uffd, F_SETFL, polls ? flags | O_NONBLOCK : flags);
	madvise(end_page(b, 0), BARE_MAX_HANDLERS * PAGE, MADV_DONTNEED);
	b->nr_handlers = nr_cpus() < 2 ? 1 : 2;
	for (unsigned i = 0; i < b->nr_handlers; i++) {
		struct handler *h = malloc(sizeof(*h));

		*h = (struct handler){ b, i };
		pthread_create(&b->handler[i], NULL, handle, h);
	}
	usleep(5000);
}

void bare_handlers_end(struct bare *b)
{
	for (unsigned i = 0; i < b->nr_handlers; i++)
		(void)*(volatile char *)end_page(b, i);
	for (unsigned i = 0; i < b->nr_handlers; i++)
		pthread_join(b->handler[i], NULL);
	b->nr_handlers = 0;
}

/* ---- Open and close --------------------------------------------------- */

void bare_open(struct bare *b, bool inlined)
{
	b->uffd = bare_uffd(inlined);
	b->granule = PAGE;
	b->resolve = bare_resolve_copy;
	bare_register(b->uffd, b->reg, b->len + BARE_MAX_HANDLERS * PAGE);
}

void bare_close(struct bare *b)
{
	close(b->uffd);
}

/* ---- Copy ------------------------------------------------------------- */

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx512f"))) static void nt_512(char *d, const char *s,
						      size_t len)
{
	for (size_t i = 0; i < len; i += 256) {
		__m512i a = _mm512_loadu_si512(s + i);
		__m512i b = _mm512_loadu_si512(s + i + 64);
		__m512i c = _mm512_loadu_si512(s + i + 128);
		__m512i e = _mm512_loadu_si512(s + i + 192);

		_mm512_stream_si512((void *)(d + i), a);
		_mm512_stream_si512((void *)(d + i + 64), b);
		_mm512_stream_si512((void *)(d + i + 128), c);
		_mm512_stream_si512((void *)(d + i + 192), e);
	}
	_mm_sfence();
}

static void nt_128(char *d, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i += 64)
		for (size_t k = i; k < i + 64; k += 16)
			_mm_stream_si128(
				(__m128i *)(d + k),
				_mm_loadu_si128((const __m128i *)(s + k)));
	_mm_sfence();
}

void bare_nt_copy(void *dst, const void *src, size_t len)
{
	if (__builtin_cpu_supports("avx512f"))
		nt_512(dst, src, len);
	else
		nt_128(dst, src, len);
}

#else

void bare_nt_copy(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
}

#endif
