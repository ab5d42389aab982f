// SPDX-License-Identifier: MIT
/*
 * Filters of system calls (seccomp) that the program puts on itself.
 *
 * Before a filter is installed it is run on our own calls.  If it forbids a
 * call that faults or registrations need, all memory comes home first and stays
 * there.  Our other calls have fallbacks when they fail, so those matter only
 * if the filter ends the process.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "preload.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

#define ANY 4096 /* bytes */

#define NR(list) (sizeof(list) / sizeof(*(list)))

/* @needed: managing memory is impossible without it, also if it only fails */
static const struct call {
	int nr;
	bool needed;
	const char *name;
	uint64_t args[4];
} list[] = {
	{ SYS_ioctl, true, "ioctl", { 4000, UFFDIO_COPY } },
	{ SYS_ioctl, true, "ioctl", { 4000, UFFDIO_REGISTER } },
	{ SYS_ioctl, true, "ioctl", { 4000, UFFDIO_UNREGISTER } },
	{ SYS_ioctl, true, "ioctl", { 4000, UFFDIO_WAKE } },
	{ SYS_mmap,
	  true,
	  "mmap",
	  { 0, ANY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS } },
	{ SYS_madvise, true, "madvise", { 0, ANY, MADV_DONTNEED } },
	{ SYS_munmap, true, "munmap", { 0, ANY } },
	{ SYS_futex, true, "futex", { 0, 128 } },
	{ SYS_rt_sigprocmask, true, "rt_sigprocmask", { 2, 0, 0, 8 } },
	{ SYS_read, true, "read", { 4000 } },
	{ SYS_mprotect, false, "mprotect", { 0, ANY, PROT_NONE } },
	{ SYS_mremap, false, "mremap", { 0, ANY, ANY, 3 } },
	{ SYS_sched_yield, false, "sched_yield", { 0 } },
	{ SYS_getpid, false, "getpid", { 0 } },
	{ SYS_gettid, false, "gettid", { 0 } },
	{ SYS_close, false, "close", { 4000 } },
	{ SYS_openat, false, "openat", { (uint64_t)-100 } },
	{ SYS_fcntl, false, "fcntl", { 4000, 1030 } },
	{ SYS_fstat, false, "fstat", { 4000 } },
	{ SYS_prlimit64, false, "prlimit64", { 0, 7 } },
	{ SYS_ppoll, false, "ppoll", { 0 } },
	{ SYS_eventfd2, false, "eventfd2", { 0 } },
	{ SYS_prctl, false, "prctl", { PR_SET_NAME } },
	{ SYS_sched_getaffinity, false, "sched_getaffinity", { 0 } },
	{ SYS_sched_setaffinity, false, "sched_setaffinity", { 0 } },
	{ SYS_rt_sigaction, false, "rt_sigaction", { SIGBUS, 0, 0, 8 } },
	{ SYS_rt_sigreturn, false, "rt_sigreturn", { 0 } },
	{ SYS_close_range, false, "close_range", { 0 } },
	{ SYS_socketpair, false, "socketpair", { 1, 1 } },
	{ SYS_sendmsg, false, "sendmsg", { 4000 } },
	{ SYS_recvmsg, false, "recvmsg", { 4000 } },
	{ SYS_write, false, "write", { 4000 } },
	{ SYS_socket, false, "socket", { 1 } },
	{ SYS_bind, false, "bind", { 4000 } },
	{ SYS_listen, false, "listen", { 4000 } },
};

/* Only --shared=anon makes these. */
static const struct call shared_list[] = {
	{ SYS_fcntl, false, "fcntl", { 4000, F_SETLEASE, F_WRLCK } },
	{ SYS_memfd_create, false, "memfd_create", { 0, 1 } },
	{ SYS_madvise, false, "madvise", { 0, ANY, MADV_REMOVE } },
	{ SYS_madvise, true, "madvise", { 0, ANY, MADV_DOFORK } },
};

/* ---- What a filter says ------------------------------------------------- */

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
	struct seccomp_data data;
};

static uint32_t load(const struct machine *m, const struct sock_filter *f)
{
	uint32_t word = 0;

	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		return f->k;
	case BPF_MEM:
		return m->mem[f->k % BPF_MEMWORDS];
	case BPF_LEN:
		return sizeof(m->data);
	default:
		if (f->k <= sizeof(m->data) - sizeof(word))
			memcpy(&word, (const char *)&m->data + f->k,
			       sizeof(word));
		return word;
	}
}

static uint32_t compute(uint16_t code, uint32_t a, uint32_t by)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + by;
	case BPF_SUB:
		return a - by;
	case BPF_MUL:
		return a * by;
	case BPF_DIV:
		return by ? a / by : 0;
	case BPF_MOD:
		return by ? a % by : 0;
	case BPF_OR:
		return a | by;
	case BPF_AND:
		return a & by;
	case BPF_XOR:
		return a ^ by;
	case BPF_LSH:
		return by < 32 ? a << by : 0;
	case BPF_RSH:
		return by < 32 ? a >> by : 0;
	default:
		return -a;
	}
}

static bool is_true(uint16_t code, uint32_t a, uint32_t with)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == with;
	case BPF_JGT:
		return a > with;
	case BPF_JGE:
		return a >= with;
	default:
		return a & with;
	}
}

/* Return: how many instructions to skip. */
static uint32_t jump(const struct machine *m, const struct sock_filter *f)
{
	uint32_t with = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	if (BPF_OP(f->code) == BPF_JA)
		return f->k;
	return is_true(f->code, m->a, with) ? f->jt : f->jf;
}

static void step(struct machine *m, const struct sock_filter *f)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		m->a = load(m, f);
		break;
	case BPF_LDX:
		m->x = load(m, f);
		break;
	case BPF_ST:
		m->mem[f->k % BPF_MEMWORDS] = m->a;
		break;
	case BPF_STX:
		m->mem[f->k % BPF_MEMWORDS] = m->x;
		break;
	case BPF_ALU:
		m->a = compute(f->code, m->a,
			       BPF_SRC(f->code) == BPF_X ? m->x : f->k);
		break;
	case BPF_MISC:
		if (BPF_MISCOP(f->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
		break;
	}
}

static uint32_t action(const struct sock_fprog *prog, const struct call *c)
{
	struct machine m = { .data = { .nr = c->nr, .arch = ARCH } };

	memcpy(m.data.args, c->args, sizeof(c->args));
	for (uint32_t at = 0; at < prog->len; at++) {
		const struct sock_filter *f = &prog->filter[at];

		if (BPF_CLASS(f->code) == BPF_RET)
			return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
		if (BPF_CLASS(f->code) == BPF_JMP)
			at += jump(&m, f);
		else
			step(&m, f);
	}
	return SECCOMP_RET_KILL_PROCESS; /* no BPF_RET: the kernel refuses it */
}

/* ---- What is done about it ---------------------------------------------- */

static bool is_forbidden(const struct sock_fprog *prog, const struct call *c)
{
	switch (action(prog, c) & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return false;
	case SECCOMP_RET_ERRNO:
		return c->needed;
	default:
		return true;
	}
}

/*
 * @prog: the filter; NULL: strict mode, which leaves only read(2) of our calls
 * @name: the first of our calls that is forbidden
 * @quiet: signals cannot be blocked any more
 */
struct verdict {
	const struct sock_fprog *prog;
	const char *name;
	bool quiet;
};

static void judge(struct verdict *v, const struct call *calls, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (v->prog && !is_forbidden(v->prog, &calls[i]))
			continue;
		if (!v->name)
			v->name = calls[i].name;
		v->quiet = v->quiet || calls[i].nr == SYS_rt_sigprocmask;
	}
}

/* The program is about to install @prog. */
static void before(const struct sock_fprog *prog)
{
	struct verdict v = { .prog = prog };

	if (!manage_is_on())
		return;
	judge(&v, list, NR(list));
	if (settings.shared)
		judge(&v, shared_list, NR(shared_list));
	budget_filtered(v.name);
	if (!v.name)
		return;
	arena_keep();
	manage_stop(v.name, v.quiet);
}

void filter_prctl(unsigned long op, unsigned long mode, unsigned long prog)
{
	if (likely(op != PR_SET_SECCOMP))
		return;
	if (mode == SECCOMP_MODE_STRICT)
		before(NULL);
	else if (mode == SECCOMP_MODE_FILTER && prog)
		before((const struct sock_fprog *)prog);
}

void filter_syscall(long number, const long *a)
{
	if (number == SYS_prctl)
		filter_prctl((unsigned long)a[0], (unsigned long)a[1],
			     (unsigned long)a[2]);
	if (likely(number != SYS_seccomp))
		return;
	if (a[0] == SECCOMP_SET_MODE_STRICT && !a[1])
		before(NULL);
	else if (a[0] == SECCOMP_SET_MODE_FILTER && a[2])
		before((const struct sock_fprog *)a[2]);
}
