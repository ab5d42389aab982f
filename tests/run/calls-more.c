// SPDX-License-Identifier: MIT
/*
 * calls-more [served]: names, structures, programs and locks in memory that is
 * away when the kernel is to use them.  "served": the kernel's faults are.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "away.h"

#define NEW(type) ((type *)room(sizeof(type), true))
#define AWAY(x)	  away(&(x), sizeof(x))

/* ---- Names ------------------------------------------------------------- */

static char dir[] = "/tmp/uhmm-calls-XXXXXX";

static char *in_dir(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return away_string(path);
}

static void check_names(void)
{
	struct stat *st = NEW(struct stat);
	int fd = open(in_dir("file"), O_CREAT | O_RDWR, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "12345", 5), 5);
	CHECK_EQ(stat(in_dir("file"), st), 0);
	CHECK_EQ(st->st_size, 5);
	send_away(st, PAGE);
	CHECK_EQ(fstat(fd, st), 0);
	CHECK_EQ(st->st_size, 5);
	send_away(st, PAGE);
	CHECK_EQ(fstatat(AT_FDCWD, in_dir("file"), st, 0), 0);
	CHECK_EQ(st->st_size, 5);
	CHECK_EQ(symlink(away_string("file"), in_dir("link")), 0);
	CHECK_EQ(lstat(in_dir("link"), st), 0);
	CHECK(S_ISLNK(st->st_mode));
	CHECK_EQ(rename(in_dir("file"), in_dir("other")), 0);
	CHECK_EQ(access(in_dir("file"), F_OK), -1);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(link(in_dir("other"), in_dir("file")), 0);
	CHECK_EQ(unlink(in_dir("other")), 0);
	CHECK_EQ(mkdir(in_dir("deep"), 0700), 0);
	CHECK_EQ(rmdir(in_dir("deep")), 0);
	CHECK_EQ(truncate(in_dir("file"), 3), 0);
	CHECK_EQ(chmod(in_dir("file"), 0400), 0);
	close(fd);
}

static void check_links(void)
{
	char *p = room(PAGE, true);
	struct statfs *fs = NEW(struct statfs);
	struct dirent *e;
	int n = 0;
	DIR *d;

	CHECK_EQ(readlink(in_dir("link"), p, PAGE), 4);
	CHECK_EQ(memcmp(p, "file", 4), 0);
	CHECK_EQ(chdir(in_dir("")), 0);
	send_away(p, PAGE);
	CHECK(getcwd(p, PAGE) == p);
	CHECK_STR(p, dir);
	p = room(PAGE, true);
	CHECK(realpath(in_dir("link"), p) == p);
	CHECK_STR(strrchr(p, '/'), "/file");
	CHECK_EQ(statfs(in_dir(""), fs), 0);
	CHECK(fs->f_bsize > 0);
	d = opendir(in_dir(""));
	CHECK(d);
	sweep();
	while ((e = readdir(d)))
		n += *e->d_name != '.';
	CHECK_EQ(n, 2);
	closedir(d);
	CHECK_EQ(unlink(in_dir("link")), 0);
	CHECK_EQ(unlink(in_dir("file")), 0);
}

/* The C library uses the memory itself. */
static void check_unbuffered(void)
{
	char *p = away_filled(PAGE, 5);
	FILE *f = tmpfile();

	CHECK(f);
	CHECK_EQ(setvbuf(f, NULL, _IONBF, 0), 0);
	CHECK_EQ(fwrite(p, 1, 100, f), 100);
	CHECK_EQ(fseek(f, 0, SEEK_SET), 0);
	p = room(PAGE, true);
	CHECK_EQ(fread(p, 1, 100, f), 100);
	CHECK(is_filled(p, 100, 5));
	fclose(f);
}

/* ---- Structures -------------------------------------------------------- */

static void check_waiting(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 77 }, *got;
	int fd[2], ep = epoll_create1(0), *n = NEW(int);
	struct pollfd pfd, *fds;
	struct timeval t = { 0, 1000 };
	fd_set set;

	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], "abc", 3), 3);
	pfd = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	fds = AWAY(pfd);
	CHECK_EQ(poll(fds, 1, 1000), 1);
	CHECK_EQ(fds->revents, POLLIN);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], AWAY(e)), 0);
	got = room(sizeof(*got), true);
	CHECK_EQ(epoll_wait(ep, got, 1, 1000), 1);
	CHECK_EQ(got->data.u64, 77);
	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	CHECK_EQ(select(fd[0] + 1, AWAY(set), NULL, NULL, AWAY(t)), 1);
	send_away(n, PAGE);
	CHECK_EQ(ioctl(fd[0], FIONREAD, n), 0);
	CHECK_EQ(*n, 3);
	close(fd[0]);
	close(fd[1]);
	close(ep);
}

static void check_structures(void)
{
	const struct timespec soon = { 0, 1000 };
	struct utsname *u = NEW(struct utsname);
	struct sysinfo *s = NEW(struct sysinfo);
	struct rusage *r = NEW(struct rusage);
	struct rlimit *l = NEW(struct rlimit);
	unsigned char *p = room(2 * PAGE, true);
	sigset_t *set = NEW(sigset_t);
	size_t zeroes = 0;
	int *fd;

	send_away(u, PAGE);
	CHECK_EQ(uname(u), 0);
	CHECK_STR(u->sysname, "Linux");
	send_away(s, PAGE);
	CHECK_EQ(sysinfo(s), 0);
	CHECK(s->totalram > 0);
	send_away(r, PAGE);
	CHECK_EQ(getrusage(RUSAGE_SELF, r), 0);
	CHECK(r->ru_maxrss > 0);
	send_away(l, PAGE);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, l), 0);
	CHECK(l->rlim_cur > 0 && l->rlim_cur < 1 << 30);
	memset(p, 0, 2 * PAGE);
	send_away(p, 2 * PAGE);
	CHECK_EQ(getrandom(p, 200, 0), 200);
	for (size_t i = 0; i < 200; i++)
		zeroes += !p[i];
	CHECK(zeroes < 20);
	CHECK_EQ(nanosleep(AWAY(soon), NULL), 0);
	send_away(set, PAGE);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, set), 0);
	CHECK_EQ(sigismember(set, SIGUSR1), 0);
	fd = room(2 * sizeof(*fd), true);
	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	CHECK(fd[0] > 2 && fd[1] > 2);
	close(fd[0]);
	close(fd[1]);
}

/* By number: what is known of none of its arguments. */
static void check_numbers(void)
{
	uint32_t value = 5, *word = AWAY(value);
	char *p = away_filled(PAGE, 1);
	int fd[2];

	CHECK_EQ(syscall(SYS_futex, word, FUTEX_WAIT, 4, NULL, NULL, 0), -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(syscall(SYS_write, fd[1], p, 100), 100);
	send_away(p, PAGE);
	CHECK_EQ(syscall(SYS_read, fd[0], p, 100), 100);
	CHECK(is_filled(p, 100, 1));
	CHECK_EQ(write(fd[1], p, 1), 1);
	CHECK_EQ(syscall(SYS_read, fd[0], 8L, 100L), -1);
	CHECK_EQ(errno, EFAULT);
	close(fd[0]);
	close(fd[1]);
}

/* ---- Threads and messages ----------------------------------------------- */

static void check_threads(void)
{
	pthread_t self = pthread_self();
	char *name = room(PAGE, true);
	cpu_set_t *set = NEW(cpu_set_t);
	struct timespec *t = NEW(struct timespec);

	CHECK_EQ(pthread_setname_np(self, away_string("away")), 0);
	CHECK_EQ(pthread_getname_np(self, name, 16), 0);
	CHECK_STR(name, "away");
	CHECK_EQ(pthread_getaffinity_np(self, sizeof(*set), set), 0);
	CHECK(CPU_COUNT(set) > 0);
	send_away(set, PAGE);
	CHECK_EQ(pthread_setaffinity_np(self, sizeof(*set), set), 0);
	CHECK_EQ(sched_rr_get_interval(0, t), 0);
}

static void check_queue(void)
{
	struct mq_attr want = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	struct mq_attr *now = NEW(struct mq_attr), *old = NEW(struct mq_attr);
	char name[32];
	mqd_t q;

	snprintf(name, sizeof(name), "/uhmm-%d", (int)getpid());
	q = mq_open(name, O_CREAT | O_RDWR, 0600, &want);
	if (q == (mqd_t)-1) /* the system has none */
		return;
	CHECK_EQ(mq_getattr(q, now), 0);
	CHECK_EQ(now->mq_msgsize, 64);
	send_away(now, PAGE);
	CHECK_EQ(mq_setattr(q, now, old), 0);
	CHECK_EQ(old->mq_msgsize, 64);
	CHECK_EQ(mq_close(q), 0);
	CHECK_EQ(mq_unlink(away_string(name)), 0);
}

static void check_ipc(void)
{
	int shm = shmget(IPC_PRIVATE, PAGE, 0600);
	int sem = semget(IPC_PRIVATE, 3, 0600);
	int msg = msgget(IPC_PRIVATE, 0600);
	struct shmid_ds *memory = NEW(struct shmid_ds);
	struct msqid_ds *queue = NEW(struct msqid_ds);
	unsigned short three[] = { 7, 8, 9 }, *all = AWAY(three);

	CHECK(shm >= 0 && sem >= 0 && msg >= 0);
	CHECK_EQ(shmctl(shm, IPC_STAT, memory), 0);
	CHECK_EQ(memory->shm_segsz, PAGE);
	CHECK_EQ(msgctl(msg, IPC_STAT, queue), 0);
	CHECK_EQ(queue->msg_qnum, 0);
	CHECK_EQ(semctl(sem, 0, SETALL, all), 0);
	memset(all, 0, sizeof(three));
	send_away(all, PAGE);
	CHECK_EQ(semctl(sem, 0, GETALL, all), 0);
	CHECK_EQ(all[2], 9);
	CHECK_EQ(shmctl(shm, IPC_RMID, NULL), 0);
	CHECK_EQ(semctl(sem, 0, IPC_RMID), 0);
	CHECK_EQ(msgctl(msg, IPC_RMID, NULL), 0);
}

/* ---- Programs ---------------------------------------------------------- */

static int wait_for(pid_t pid)
{
	int *status = NEW(int);

	CHECK_EQ(waitpid(pid, status, 0), pid);
	CHECK(WIFEXITED(*status));
	return WEXITSTATUS(*status);
}

static void check_programs(void)
{
	char *sh = away_string("/bin/sh"), *opt = away_string("-c");
	char *text = away_string("test \"$X\" = 7 && exit 9");
	char *argv[] = { sh, opt, text, NULL };
	char *env[] = { away_string("X=7"), NULL };
	char **far_argv = AWAY(argv), **far_env = AWAY(env);
	pid_t *pid = NEW(pid_t);
	FILE *f;

	send_away(sh, PAGE);
	send_away(text, PAGE);
	CHECK_EQ(posix_spawn(pid, sh, NULL, NULL, far_argv, far_env), 0);
	CHECK_EQ(wait_for(*pid), 9);
	send_away(sh, PAGE);
	send_away(text, PAGE);
	send_away(far_argv, PAGE);
	send_away(env[0], PAGE);
	*pid = vfork();
	if (!*pid) {
		execve(sh, far_argv, far_env);
		_exit(1);
	}
	CHECK_EQ(wait_for(*pid), 9);
	CHECK_EQ(WEXITSTATUS(system(away_string("exit 3"))), 3);
	f = popen(away_string("echo abc"), "r");
	CHECK(f);
	sweep();
	CHECK_EQ(fgetc(f), 'a');
	CHECK_EQ(pclose(f), 0);
}

/* ---- Locks ------------------------------------------------------------- */

struct locks {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	sem_t sem;
	pthread_rwlock_t rwlock;
	pthread_barrier_t barrier;
	_Atomic int turn;
};

/* A page of its own each time, which is away while the other one waits. */
static void *partner(void *arg)
{
	struct locks *l = arg;

	pthread_mutex_lock(&l->mutex);
	while (l->turn != 1)
		pthread_cond_wait(&l->cond, &l->mutex);
	l->turn = 2;
	pthread_cond_broadcast(&l->cond);
	pthread_mutex_unlock(&l->mutex);
	sem_wait(&l->sem);
	pthread_rwlock_wrlock(&l->rwlock);
	pthread_rwlock_unlock(&l->rwlock);
	pthread_barrier_wait(&l->barrier);
	return NULL;
}

static void check_locks(void)
{
	struct locks *l = heap(sizeof(*l));
	pthread_t t;

	memset(l, 0, sizeof(*l));
	CHECK_EQ(pthread_mutex_init(&l->mutex, NULL), 0);
	CHECK_EQ(pthread_cond_init(&l->cond, NULL), 0);
	CHECK_EQ(pthread_rwlock_init(&l->rwlock, NULL), 0);
	CHECK_EQ(sem_init(&l->sem, 0, 0), 0);
	CHECK_EQ(pthread_barrier_init(&l->barrier, NULL, 2), 0);
	pthread_rwlock_rdlock(&l->rwlock);
	pthread_mutex_lock(&l->mutex);
	CHECK_EQ(pthread_create(&t, NULL, partner, l), 0);
	sweep();
	l->turn = 1;
	pthread_cond_signal(&l->cond);
	while (l->turn != 2) {
		sweep();
		pthread_cond_wait(&l->cond, &l->mutex);
	}
	pthread_mutex_unlock(&l->mutex);
	sweep();
	sem_post(&l->sem);
	sweep();
	pthread_rwlock_unlock(&l->rwlock);
	pthread_barrier_wait(&l->barrier);
	CHECK_EQ(pthread_join(t, NULL), 0);
	sem_destroy(&l->sem);
	pthread_cond_destroy(&l->cond);
	pthread_barrier_destroy(&l->barrier);
	send_away(l, PAGE);
	free(l);
}

static void *wait_for_ever(void *arg)
{
	struct locks *l = arg;

	pthread_mutex_lock(&l->mutex);
	l->turn = 1;
	for (;;)
		pthread_cond_wait(&l->cond, &l->mutex);
	return NULL;
}

static void *read_for_ever(void *arg)
{
	struct locks *l = arg;
	int fd = eventfd(0, 0);

	l->turn = 1;
	(void)!read(fd, &l->cond, 8);
	return NULL;
}

/* A thread that is cancelled while it waits no longer holds any memory. */
static void check_cancel(void *(*fn)(void *))
{
	struct locks *l = heap(sizeof(*l));
	void *ret;
	pthread_t t;

	memset(l, 0, sizeof(*l));
	CHECK_EQ(pthread_create(&t, NULL, fn, l), 0);
	while (!l->turn)
		sched_yield();
	sweep();
	CHECK_EQ(pthread_cancel(t), 0);
	CHECK_EQ(pthread_join(t, &ret), 0);
	CHECK(ret == PTHREAD_CANCELED);
	send_away(l, PAGE);
	free(l);
}

/* Many waiting threads, on pages that come and go. */
#define NR_COUNTERS 64
#define ROUNDS	    2000

static struct counter {
	_Alignas(PAGE) pthread_mutex_t mutex;
	uint64_t value;
} * counters;

static void *count(void *arg)
{
	for (size_t i = 0; i < ROUNDS; i++) {
		struct counter *c = &counters[i * 7 % NR_COUNTERS];

		pthread_mutex_lock(&c->mutex);
		if (c->value++ % 16 == 0)
			sched_yield();
		pthread_mutex_unlock(&c->mutex);
	}
	return arg;
}

static void check_contention(void)
{
	uint64_t sum = 0;
	pthread_t t[3];

	counters = heap(NR_COUNTERS * sizeof(*counters));
	for (size_t i = 0; i < NR_COUNTERS; i++) {
		pthread_mutex_init(&counters[i].mutex, NULL);
		counters[i].value = 0;
	}
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, count, NULL), 0);
	for (size_t i = 0; i < 5; i++)
		sweep();
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		sum += counters[i].value;
	CHECK_EQ(sum, 3 * ROUNDS);
	free(counters);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	CHECK(mkdtemp(dir));
	check_names();
	check_links();
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(dir), 0);
	check_unbuffered();
	check_waiting();
	check_structures();
	check_numbers();
	check_threads();
	check_queue();
	check_ipc();
	check_programs();
	check_locks();
	check_cancel(wait_for_ever);
	check_cancel(read_for_ever);
	check_contention();
	return 0;
}
