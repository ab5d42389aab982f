/* SPDX-License-Identifier: MIT */
/* lock.c - see lock.h; the mutex is the third one of Drepper's paper */
#include "sys/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Most holders leave within a microsecond, and a sleep that needs a wake-up
 * from another CPU costs tens of them on a virtual machine.
 */
enum {
	SPINS = 200
};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool spin(struct sys_mutex *m)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t word =
			atomic_load_explicit(&m->word, memory_order_relaxed);

		if (word == 0 && sys_mutex_trylock(m))
			return true;
		if (word == 2)
			return false;
		relax();
	}
	return false;
}

void sys_mutex_lock_slow(struct sys_mutex *m)
{
	if (spin(m))
		return;
	while (atomic_exchange_explicit(&m->word, 2, memory_order_acquire))
		sys_futex_wait(&m->word, 2, 0);
}

void sys_mutex_unlock_slow(struct sys_mutex *m)
{
	sys_futex_wake(&m->word, 1);
}

void sys_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		timeout_ns ? &ts : NULL, NULL, 0);
	errno = saved;
}

void sys_futex_wake(_Atomic uint32_t *word, int nr)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
	errno = saved;
}
