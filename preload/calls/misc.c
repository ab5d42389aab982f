// SPDX-License-Identifier: MIT
/*
 * Waiting, time, identity, limits, messages and whatever a call of no function
 * of its own is given.
 */
/* Each name is a function of its own here. */
#undef _FILE_OFFSET_BITS
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "calls/calls.h"

/* ---- Waiting ----------------------------------------------------------- */

AGAIN(int, poll, (struct pollfd * fds, nfds_t nr, int ms), (fds, nr, ms),
      OUT(fds, nr * sizeof(*fds)))
AGAIN_MASKED(int, ppoll,
	     (struct pollfd * fds, nfds_t nr, const struct timespec *t,
	      const sigset_t *mask),
	     (fds, nr, t, mask), OUT(fds, nr * sizeof(*fds)), ARG(t), ARG(mask))
AGAIN(int, select,
      (int nr, fd_set *in, fd_set *out, fd_set *err, struct timeval *t),
      (nr, in, out, err, t), RES(in), RES(out), RES(err), RES(t))
AGAIN_MASKED(int, pselect,
	     (int nr, fd_set *in, fd_set *out, fd_set *err,
	      const struct timespec *t, const sigset_t *mask),
	     (nr, in, out, err, t, mask), RES(in), RES(out), RES(err), ARG(t),
	     ARG(mask))
AGAIN(int, epoll_ctl, (int fd, int op, int other, struct epoll_event *e),
      (fd, op, other, e), ARG(e))
AGAIN(int, epoll_wait, (int fd, struct epoll_event *e, int nr, int ms),
      (fd, e, nr, ms), OUT(e, (size_t)nr * sizeof(*e)))
AGAIN_MASKED(int, epoll_pwait,
	     (int fd, struct epoll_event *e, int nr, int ms,
	      const sigset_t *mask),
	     (fd, e, nr, ms, mask), OUT(e, (size_t)nr * sizeof(*e)), ARG(mask))
AGAIN_MASKED(int, epoll_pwait2,
	     (int fd, struct epoll_event *e, int nr, const struct timespec *t,
	      const sigset_t *mask),
	     (fd, e, nr, t, mask), OUT(e, (size_t)nr * sizeof(*e)), ARG(t),
	     ARG(mask))

/* A child, or a signal, is taken before anything is written. */
HELD(pid_t, wait, (int *status), (status), RES(status))
HELD(pid_t, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags),
     RES(status))
HELD(pid_t, wait3, (int *status, int flags, struct rusage *usage),
     (status, flags, usage), RES(status), RES(usage))
HELD(pid_t, wait4, (pid_t pid, int *status, int flags, struct rusage *usage),
     (pid, status, flags, usage), RES(status), RES(usage))
HELD(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int flags),
     (type, id, info, flags), RES(info))
HELD(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (set, info),
     ARG(set), RES(info))
HELD(int, sigtimedwait,
     (const sigset_t *set, siginfo_t *info, const struct timespec *t),
     (set, info, t), ARG(set), RES(info), ARG(t))
HELD(int, sigwait, (const sigset_t *set, int *sig), (set, sig), ARG(set))

AGAIN(int, sigpending, (sigset_t * set), (set), RES(set))
AGAIN(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags),
      ARG(set))
AGAIN(int, pipe, (int fd[2]), (fd), OUT(fd, 2 * sizeof(*fd)))
AGAIN(int, pipe2, (int fd[2], int flags), (fd, flags), OUT(fd, 2 * sizeof(*fd)))

/* ---- Messages ---------------------------------------------------------- */

AGAIN(int, mq_send, (mqd_t q, const char *p, size_t len, unsigned prio),
      (q, p, len, prio), IN(p, len))
AGAIN(int, mq_timedsend,
      (mqd_t q, const char *p, size_t len, unsigned prio,
       const struct timespec *t),
      (q, p, len, prio, t), IN(p, len), ARG(t))
HELD(ssize_t, mq_receive, (mqd_t q, char *p, size_t len, unsigned *prio),
     (q, p, len, prio), OUT(p, len), RES(prio))
HELD(ssize_t, mq_timedreceive,
     (mqd_t q, char *p, size_t len, unsigned *prio, const struct timespec *t),
     (q, p, len, prio, t), OUT(p, len), RES(prio), ARG(t))
AGAIN(int, msgsnd, (int id, const void *p, size_t len, int flags),
      (id, p, len, flags), IN(p, sizeof(long) + len))
HELD(ssize_t, msgrcv, (int id, void *p, size_t len, long type, int flags),
     (id, p, len, type, flags), OUT(p, sizeof(long) + len))
AGAIN(int, semop, (int id, struct sembuf *ops, size_t nr), (id, ops, nr),
      IN(ops, nr * sizeof(*ops)))
AGAIN(int, semtimedop,
      (int id, struct sembuf *ops, size_t nr, const struct timespec *t),
      (id, ops, nr, t), IN(ops, nr * sizeof(*ops)), ARG(t))

/* ---- Time -------------------------------------------------------------- */

/* What is left is written when time has passed. */
HELD(int, nanosleep, (const struct timespec *t, struct timespec *rest),
     (t, rest), ARG(t), RES(rest))
HELD(int, clock_nanosleep,
     (clockid_t clock, int flags, const struct timespec *t,
      struct timespec *rest),
     (clock, flags, t, rest), ARG(t), RES(rest))
AGAIN(int, clock_gettime, (clockid_t clock, struct timespec *t), (clock, t),
      RES(t))
AGAIN(int, gettimeofday, (struct timeval * t, void *zone), (t, zone), RES(t))
AGAIN(int, clock_getres, (clockid_t clock, struct timespec *t), (clock, t),
      RES(t))
AGAIN(int, clock_settime, (clockid_t clock, const struct timespec *t),
      (clock, t), ARG(t))
AGAIN(int, getitimer, (__itimer_which_t which, struct itimerval *t), (which, t),
      RES(t))
AGAIN(int, setitimer,
      (__itimer_which_t which, const struct itimerval *t,
       struct itimerval *old),
      (which, t, old), ARG(t), RES(old))
AGAIN(int, timerfd_settime,
      (int fd, int flags, const struct itimerspec *t, struct itimerspec *old),
      (fd, flags, t, old), ARG(t), RES(old))
AGAIN(int, timerfd_gettime, (int fd, struct itimerspec *t), (fd, t), RES(t))
AGAIN(int, timer_create, (clockid_t clock, struct sigevent *e, timer_t *ret),
      (clock, e, ret), ARG(e), RES(ret))
AGAIN(int, timer_settime,
      (timer_t id, int flags, const struct itimerspec *t,
       struct itimerspec *old),
      (id, flags, t, old), ARG(t), RES(old))
AGAIN(int, timer_gettime, (timer_t id, struct itimerspec *t), (id, t), RES(t))
AGAIN(clock_t, times, (struct tms * t), (t), RES(t))

/* ---- Names, users, limits, random bytes --------------------------------- */

AGAIN(int, uname, (struct utsname * u), (u), RES(u))
AGAIN(int, gethostname, (char *p, size_t len), (p, len), OUT(p, len))
AGAIN(int, sysinfo, (struct sysinfo * info), (info), RES(info))
AGAIN(int, getrusage, (__rusage_who_t who, struct rusage *usage), (who, usage),
      RES(usage))
AGAIN(int, getrlimit, (__rlimit_resource_t what, struct rlimit *r), (what, r),
      RES(r))
AGAIN(int, getrlimit64, (__rlimit_resource_t what, struct rlimit64 *r),
      (what, r), RES(r))
AGAIN(int, setrlimit, (__rlimit_resource_t what, const struct rlimit *r),
      (what, r), ARG(r))
AGAIN(int, setrlimit64, (__rlimit_resource_t what, const struct rlimit64 *r),
      (what, r), ARG(r))
AGAIN(int, prlimit,
      (pid_t pid, __rlimit_resource_t what, const struct rlimit *r,
       struct rlimit *old),
      (pid, what, r, old), ARG(r), RES(old))
AGAIN(int, prlimit64,
      (pid_t pid, __rlimit_resource_t what, const struct rlimit64 *r,
       struct rlimit64 *old),
      (pid, what, r, old), ARG(r), RES(old))
AGAIN(int, getgroups, (int nr, gid_t *list), (nr, list),
      OUT(list, (size_t)nr * sizeof(*list)))
AGAIN(int, setgroups, (size_t nr, const gid_t *list), (nr, list),
      IN(list, nr * sizeof(*list)))
AGAIN(int, getresuid, (uid_t * r, uid_t *e, uid_t *s), (r, e, s), RES(r),
      RES(e), RES(s))
AGAIN(int, getresgid, (gid_t * r, gid_t *e, gid_t *s), (r, e, s), RES(r),
      RES(e), RES(s))
AGAIN(int, sched_getaffinity, (pid_t pid, size_t len, cpu_set_t *set),
      (pid, len, set), OUT(set, len))
AGAIN(int, sched_setaffinity, (pid_t pid, size_t len, const cpu_set_t *set),
      (pid, len, set), IN(set, len))
AGAIN(int, sched_getparam, (pid_t pid, struct sched_param *p), (pid, p), RES(p))
AGAIN(int, sched_setparam, (pid_t pid, const struct sched_param *p), (pid, p),
      ARG(p))
AGAIN(int, sched_setscheduler,
      (pid_t pid, int policy, const struct sched_param *p), (pid, policy, p),
      ARG(p))
AGAIN(ssize_t, getrandom, (void *p, size_t len, unsigned flags),
      (p, len, flags), OUT(p, len))
AGAIN(int, getentropy, (void *p, size_t len), (p, len), OUT(p, len))
AGAIN(int, memfd_create, (const char *path, unsigned flags), (path, flags),
      STR(path))
AGAIN(int, mincore, (void *addr, size_t len, unsigned char *ret),
      (addr, len, ret), OUT(ret, (len + PAGE - 1) / PAGE))

/* ---- Arguments that are not known -------------------------------------- */

#define GUESS 4096 /* bytes, unless the call says how many */

/*
 * To be written to?  Only if it may be, and reading was not enough: see @n_ of
 * REPEAT().
 */
#define GUESSED(p, len) ((struct buf){ (p), (len), n_ >= 2 })

FIND(ioctl);
EXPORT int ioctl(int fd, unsigned long cmd, ...)
{
	size_t len = _IOC_SIZE(cmd) ? _IOC_SIZE(cmd) : GUESS;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	remote_ioctl(cmd, arg, __builtin_return_address(0));
	REPEAT(ret, IS_MINUS_1, REAL(ioctl)(fd, cmd, arg), GUESSED(arg, len));
	return ret;
}

#define FCNTL(name)                                               \
	FIND(name);                                               \
	EXPORT int name(int fd, int cmd, ...)                     \
	{                                                         \
		va_list ap;                                       \
		void *arg;                                        \
		int ret;                                          \
                                                                  \
		va_start(ap, cmd);                                \
		arg = va_arg(ap, void *);                         \
		va_end(ap);                                       \
		REPEAT(ret, IS_MINUS_1, REAL(name)(fd, cmd, arg), \
		       GUESSED(arg, sizeof(struct flock64)));     \
		return ret;                                       \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

FIND(prctl);
EXPORT int prctl(int op, ...)
{
	unsigned long a[4];
	va_list ap;
	int ret;

	va_start(ap, op);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	filter_prctl((unsigned long)op, a[0], a[1]);
	REPEAT(ret, IS_MINUS_1, REAL(prctl)(op, a[0], a[1], a[2], a[3]),
	       GUESSED((void *)a[0], GUESS));
	return ret;
}

/*
 * Whatever points to managed memory comes home: some pages too many, at most.
 * libuhmm knows itself what it does, and may hold a lock.
 */
static bool again_args(unsigned n_, const long *a, const void *caller)
{
	struct buf bufs[6];
	size_t nr = 0;

	if (map_is_own(caller))
		return false;
	for (size_t i = 0; i < 6; i++) {
		const void *p = (const void *)a[i];

		if (!calls_may_be_away(p, 1))
			continue;
		bufs[nr++] = GUESSED(p, GUESS);
	}
	return nr && calls_again(n_, bufs, nr);
}

FIND(syscall);
EXPORT long syscall(long number, ...)
{
	long a[6], ret;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (unlikely(number == SYS_io_uring_setup) && ring_is_refused()) {
		errno = ENOSYS;
		return -1;
	}
	filter_syscall(number, a);
	if (unlikely(calls_may_be_direct()) &&
	    !map_is_own(__builtin_return_address(0)) &&
	    aio_syscall(number, a, &ret))
		return ret;
	ret = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	for (unsigned n = 0; unlikely(IS_MINUS_1(ret)) &&
			     again_args(n, a, __builtin_return_address(0));
	     n++)
		ret = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return ret;
}
