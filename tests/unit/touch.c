// SPDX-License-Identifier: MIT
/*
 * A signal frame tells of the touch that faulted: loads are told from
 * stores, and a page that is there from one that is not.
 *
 * Where the kernel does not say, as emulators of arm64 may not, each touch is a
 * store.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "sys/cpu.h"
#include "test.h"

static sigjmp_buf back;
static struct sys_touch seen;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	seen = sys_touch_of(context);
	siglongjmp(back, 1);
}

static struct sys_touch touch(volatile char *p, bool write)
{
	if (sigsetjmp(back, 1))
		return seen;
	if (write)
		*p = 1;
	else
		(void)*p;
	CHECK(!"a touch that faults");
	return seen;
}

static void on_this_machine(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO };
	size_t len = 2 * SYS_PAGE_SIZE;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *absent = p + SYS_PAGE_SIZE;
	struct sys_touch load;

	CHECK(p != MAP_FAILED);
	CHECK(!sigaction(SIGSEGV, &sa, NULL));
	*p = 1;
	CHECK(!mprotect(p, SYS_PAGE_SIZE, PROT_READ));
	CHECK(!mprotect(absent, SYS_PAGE_SIZE, PROT_NONE));

	CHECK(touch(absent, true).write);
	CHECK(touch(p, true).write);
	load = touch(absent, false);
	if (load.write) {
		printf("this system does not tell loads from stores\n");
		return;
	}
	CHECK(!load.present);
	CHECK(touch(p, true).present);
	CHECK(!touch(absent, true).present);
}

#if defined(__aarch64__)

#include <asm/sigcontext.h>

enum {
	FP_RECORD = 528, /* bytes of the registers that come first */
	LOAD_ABSENT = 0x92000007,
	STORE_ABSENT = 0x92000047,
	STORE_PRESENT = 0x9200004f,
	LOAD_PRESENT = 0x9200000f,
	CLEAN_CACHE = 0x92000147,
	JUMP = 0x82000007,
};

static void add_record(unsigned char **at, uint32_t magic, uint32_t size,
		       uint64_t value)
{
	struct esr_context esr = { .head = { magic, size }, .esr = value };

	memcpy(*at, &esr, size < sizeof(esr) ? size : sizeof(esr));
	*at += size;
}

static struct sys_touch frame(uint64_t esr)
{
	static ucontext_t uc;
	unsigned char *at = uc.uc_mcontext.__reserved;

	memset(&uc, 0, sizeof(uc));
	add_record(&at, FPSIMD_MAGIC, FP_RECORD, 0);
	add_record(&at, ESR_MAGIC, sizeof(struct esr_context), esr);
	return sys_touch_of(&uc);
}

static void is(struct sys_touch touch, bool write, bool present)
{
	CHECK_EQ(touch.write, write);
	CHECK_EQ(touch.present, present);
}

/* A record that says nothing, or a wrong length, is a store. */
static void bad_frames(void)
{
	static ucontext_t uc;
	unsigned char *at = uc.uc_mcontext.__reserved;

	is(sys_touch_of(&uc), true, false);
	add_record(&at, FPSIMD_MAGIC, FP_RECORD, 0);
	is(sys_touch_of(&uc), true, false);
	at = uc.uc_mcontext.__reserved;
	((struct _aarch64_ctx *)(void *)at)->size = 0;
	is(sys_touch_of(&uc), true, false);
	((struct _aarch64_ctx *)(void *)at)->size = UINT32_MAX;
	is(sys_touch_of(&uc), true, false);
}

static void on_arm64(void)
{
	is(frame(LOAD_ABSENT), false, false);
	is(frame(STORE_ABSENT), true, false);
	is(frame(LOAD_PRESENT), false, true);
	is(frame(STORE_PRESENT), true, true);
	is(frame(CLEAN_CACHE), false, false);
	is(frame(JUMP), true, false);
	bad_frames();
}

#else

static void on_arm64(void)
{
}

#endif

int main(void)
{
	on_this_machine();
	on_arm64();
	return 0;
}
